#include "service/http_class.h"

#define TOKEN HTTP_TOKEN
#define TARGET HTTP_TARGET
#define TEXT HTTP_TEXT
#define HOST HTTP_HOST

const uint8_t http_classes[256] = {
	['\t'] = TEXT | HTTP_BLANK,
	[' '] = TEXT | HTTP_BLANK,
	['!'] = TOKEN | TARGET | TEXT | HOST,
	['"'] = TEXT,
	['#'] = TOKEN | TEXT,
	['$' ... '\''] = TOKEN | TARGET | TEXT | HOST,
	['(' ... ')'] = TARGET | TEXT | HOST,
	['*' ... '+'] = TOKEN | TARGET | TEXT | HOST,
	[','] = TARGET | TEXT | HOST,
	['-' ... '.'] = TOKEN | TARGET | TEXT | HOST,
	['/'] = TARGET | TEXT,
	['0' ... '9'] = TOKEN | TARGET | TEXT | HOST,
	[':'] = TARGET | TEXT,
	[';'] = TARGET | TEXT | HOST,
	['<'] = TEXT,
	['='] = TARGET | TEXT | HOST,
	['>'] = TEXT,
	['?' ... '@'] = TARGET | TEXT,
	['A' ... 'Z'] = TOKEN | TARGET | TEXT | HOST,
	['['] = TARGET | TEXT,
	['\\'] = TEXT,
	[']'] = TARGET | TEXT,
	['^'] = TOKEN | TEXT,
	['_'] = TOKEN | TARGET | TEXT | HOST,
	['`'] = TOKEN | TEXT,
	['a' ... 'z'] = TOKEN | TARGET | TEXT | HOST,
	['{'] = TEXT,
	['|'] = TOKEN | TEXT,
	['}'] = TEXT,
	['~'] = TOKEN | TARGET | TEXT | HOST,
	[0x80 ... 0xff] = TEXT,
};
