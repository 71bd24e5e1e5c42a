/* certificate.c - a server's certificate is decoded once, however often it comes.
 *
 * OpenSSL 3.0 needs a third of a client's time in a handshake with a key on P-256 to make the same objects of the
 * same bytes again. That is longer than the server needs for its part, so that all servers would be as fast as this
 * load can ask. libssl calls this function in place of libcrypto's, which does the same without a memory. What is
 * checked stays the same: the chain, and the signature of each handshake.
 */
#include "base/base.h"

#include <openssl/asn1t.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

/* The last one, as it came and as what it is. */
static struct {
	unsigned char *bytes;
	long length;
	X509 *certificate;
} known;

static X509 *decode(X509 **certificate, const unsigned char **bytes, long length)
{
	return (X509 *) ASN1_item_d2i((ASN1_VALUE **) certificate, bytes, length, ASN1_ITEM_rptr(X509));
}

static void get_to_know(X509 *certificate, const unsigned char *bytes, long length)
{
	unsigned char *copy = malloc((size_t) length);

	if (!copy || X509_up_ref(certificate) != 1) {
		free(copy);
		return;
	}
	memcpy(copy, bytes, (size_t) length);
	free(known.bytes);
	X509_free(known.certificate);
	known.bytes = copy;
	known.length = length;
	known.certificate = certificate;
}

/* d2i_X509(3). */
X509 *d2i_X509(X509 **certificate, const unsigned char **bytes, long length)
{
	const unsigned char *from = *bytes;

	if (!certificate || length <= 0)
		return decode(certificate, bytes, length);
	if (length != known.length || memcmp(from, known.bytes, (size_t) length) != 0) {
		X509 *decoded = decode(certificate, bytes, length);

		/* Bytes may stand behind it, which libssl complains of. */
		if (decoded && *bytes - from == length)
			get_to_know(decoded, from, length);
		return decoded;
	}
	if (X509_up_ref(known.certificate) != 1)
		return NULL;
	X509_free(*certificate);
	*certificate = known.certificate;
	*bytes += length;
	return *certificate;
}
