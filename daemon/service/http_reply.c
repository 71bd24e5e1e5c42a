#include "service/http_reply.h"
#include "base/ensure.h"

#include <string.h>

static const struct {
	uint16_t status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 203, "Non-Authoritative Information" },
	{ 204, "No Content" },
	{ 205, "Reset Content" },
	{ 206, "Partial Content" },
	{ 300, "Multiple Choices" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 305, "Use Proxy" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 511, "Network Authentication Required" },
};

const char *http_reason(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

bool http_status_is_bodiless(unsigned status)
{
	return status < 200 || status == 204 || status == 304;
}

static char *two_digits(char *to, unsigned value)
{
	to[0] = (char) ('0' + value / 10);
	to[1] = (char) ('0' + value % 10);
	return to + 2;
}

/* Written out because a response costs less than strftime(3) and its locale would. The calendar: years that begin
 * in March put the leap day last, and 400 of them are 146097 days. */
char *http_date_print(time_t now, char buffer[HTTP_DATE_BYTES])
{
	static const char weekdays[] = "ThuFriSatSunMonTueWed", months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
	int64_t days = now / 86400;
	unsigned second = (unsigned) (now % 86400);
	unsigned day = (unsigned) ((days + 719468) % 146097);	/* since 1 March of a year divisible by 400 */
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned year_day = day - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * year_day + 2) / 153;		/* 0 is March */
	char *to = buffer;

	year += (unsigned) ((days + 719468) / 146097) * 400 + (month >= 10);
	to = mempcpy(to, weekdays + days % 7 * 3, 3);
	to = mempcpy(to, ", ", 2);
	to = two_digits(to, year_day - (153 * month + 2) / 5 + 1);
	*to++ = ' ';
	to = mempcpy(to, months + month * 3, 3);
	*to++ = ' ';
	to = two_digits(to, year / 100 % 100);
	to = two_digits(to, year % 100);
	*to++ = ' ';
	to = two_digits(to, second / 3600);
	*to++ = ':';
	to = two_digits(to, second / 60 % 60);
	*to++ = ':';
	to = two_digits(to, second % 60);
	memcpy(to, " GMT", 5);
	return buffer;
}

static char *put_text(char *to, const char *text)
{
	return stpcpy(to, text);
}

static char *put_number(char *to, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char) ('0' + value % 10);
		value /= 10;
	} while (value);
	return mempcpy(to, digits + n, sizeof(digits) - n);
}

static char *put_framing(char *to, const struct http_reply *r)
{
	switch (r->framing) {
	case HTTP_FRAMED_BY_LENGTH:
		to = put_text(to, "Content-Length: ");
		to = put_number(to, r->length);
		return put_text(to, "\r\n");
	case HTTP_FRAMED_IN_CHUNKS:
		return put_text(to, "Transfer-Encoding: chunked\r\n");
	case HTTP_WITHOUT_BODY:
		break;
	}
	return to;
}

size_t http_reply_print(const struct http_reply *r, char buffer[HTTP_REPLY_HEAD_BYTES])
{
	char *to = buffer;

	/* What is not counted here is at most 200 bytes long. */
	ENSURE((r->type ? strlen(r->type) : 0) + strlen(r->fields) < HTTP_REPLY_HEAD_BYTES - 200,
	       "response %u has a head that is too long", r->status);

	to = put_text(to, "HTTP/1.1 ");
	to = put_number(to, r->status);
	*to++ = ' ';
	to = put_text(to, http_reason(r->status));
	to = put_text(to, "\r\nDate: ");
	http_date_print(r->now, to);
	to = put_text(to + HTTP_DATE_BYTES - 1, "\r\n");
	if (r->type) {
		to = put_text(to, "Content-Type: ");
		to = put_text(to, r->type);
		to = put_text(to, "\r\n");
	}
	to = put_framing(to, r);
	to = put_text(to, r->fields);
	if (r->connection) {
		to = put_text(to, "Connection: ");
		to = put_text(to, r->connection);
		to = put_text(to, "\r\n");
	}
	to = put_text(to, "\r\n");
	return (size_t) (to - buffer);
}
