#include "net/tls_inside.h"

#include "base/ensure.h"

#include <openssl/err.h>
#include <string.h>

const char *tls_failure(const struct stream *s)
{
	const struct tls_session *t = tls_session_on(s);

	return t ? t->failure : NULL;
}

bool tls_is_established(const struct stream *s)
{
	const struct tls_session *t = tls_session_on(s);

	return t && t->established;
}

const char *tls_sni(const struct stream *s)
{
	const struct tls_session *t = tls_session_on(s);

	return t ? t->sni : NULL;
}

static void copy_text(char *to, size_t size, const void *from, size_t length)
{
	size_t n = MIN(length, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

static void describe_subject(const SSL *ssl, char *to, size_t size)
{
	const X509 *certificate = SSL_get0_peer_certificate(ssl);
	BIO *text = certificate ? BIO_new(BIO_s_mem()) : NULL;
	char *bytes;

	if (!text)
		return;
	if (X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
		long length = BIO_get_mem_data(text, &bytes);

		copy_text(to, size, bytes, (size_t) length);
	}
	BIO_free(text);
}

bool tls_describe(const struct stream *s, struct tls_description *ret)
{
	const struct tls_session *t = tls_session_on(s);

	if (!t)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->established = t->established;
	ret->handshake_ns = t->handshake_ns;
	if (t->sni)
		copy_text(ret->sni, sizeof(ret->sni), t->sni, strlen(t->sni));
	if (!t->ssl)
		return true;

	const unsigned char *alpn;
	unsigned alpn_bytes;
	ERR_clear_error();
	ret->version = SSL_get_version(t->ssl);
	ret->cipher = SSL_get_cipher_name(t->ssl);
	ret->resumed = SSL_session_reused(t->ssl);
	SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_bytes);
	copy_text(ret->alpn, sizeof(ret->alpn), alpn_bytes ? alpn : (const void *) "", alpn_bytes);
	describe_subject(t->ssl, ret->subject, sizeof(ret->subject));
	ERR_clear_error();
	return true;
}

const char *tls_context_no_ktls(const struct tls_context *c)
{
	return c->no_ktls;
}

bool tls_context_needs_host(const struct tls_context *c)
{
	return c->connecting && c->verifies_server && !c->server_name;
}

void tls_check_error_queue(void)
{
	unsigned long error = ERR_peek_error();
	char text[160];

	if (UNLIKELY(error))
		ERR_error_string_n(error, text, sizeof(text));
	ENSURE(error == 0, "OpenSSL's error queue is not empty at a switch: %s", text);
}
