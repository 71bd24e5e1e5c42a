#include "net/tls_inside.h"

#include "base/memory.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdio.h>
#include <string.h>

#define WORDS_BYTES 256

/* What operators meet, said for them. %s is the peer: the client or the server. */
static const struct {
	int reason;
	const char *words;
} known[] = {
	{ SSL_R_NO_SHARED_CIPHER, "no shared cipher" },
	{ SSL_R_NO_SHARED_GROUPS, "no shared group for the key exchange" },
	{ SSL_R_NO_SUITABLE_KEY_SHARE, "no shared group for the key exchange" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no shared signature algorithm" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, "no shared TLS version" },
	{ SSL_R_VERSION_TOO_LOW, "no shared TLS version" },
	{ SSL_R_INAPPROPRIATE_FALLBACK, "%s fell back to an older TLS version" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "%s certificate required" },
	{ SSL_R_HTTP_REQUEST, "plain HTTP on a TLS port" },
	{ SSL_R_HTTPS_PROXY_REQUEST, "plain HTTP on a TLS port" },
	{ SSL_R_WRONG_VERSION_NUMBER, "%s does not speak TLS" },
	{ SSL_R_UNKNOWN_PROTOCOL, "%s does not speak TLS" },
	{ SSL_R_UNEXPECTED_EOF_WHILE_READING, "%s closed without close_notify" },
	{ SSL_R_NO_RENEGOTIATION, "%s asked for a renegotiation" },
	{ SSL_R_TOO_MANY_WARN_ALERTS, "%s sent too many warnings" },
	{ SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "%s sent a record that was tampered with" },
};

static const char *peer_of(const struct tls_session *t)
{
	return t->accepts ? "client" : "server";
}

/* The peer's own words for why it does not go on. */
static void print_alert(const struct tls_session *t, int alert, char words[WORDS_BYTES])
{
	snprintf(words, WORDS_BYTES, "%s refused: %s", peer_of(t), SSL_alert_desc_string_long(alert));
}

static void print_verification(const struct tls_session *t, char words[WORDS_BYTES])
{
	long result = SSL_get_verify_result(t->ssl);

	snprintf(words, WORDS_BYTES, "%s certificate: %s", peer_of(t), X509_verify_cert_error_string(result));
}

static bool print_known(const struct tls_session *t, int reason, char words[WORDS_BYTES])
{
	const char *peer = peer_of(t);

	for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
		const char *place = strstr(known[i].words, "%s");

		if (known[i].reason != reason)
			continue;
		if (place)
			snprintf(words, WORDS_BYTES, "%s%s", peer, place + strlen("%s"));
		else
			snprintf(words, WORDS_BYTES, "%s", known[i].words);
		return true;
	}
	return false;
}

static void print_error(const struct tls_session *t, unsigned long error, char words[WORDS_BYTES])
{
	int reason = ERR_GET_REASON(error);
	const char *text;

	if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		print_verification(t, words);
		return;
	}
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
		print_alert(t, reason - SSL_AD_REASON_OFFSET, words);
		return;
	}
	if (ERR_GET_LIB(error) == ERR_LIB_SSL && print_known(t, reason, words))
		return;
	text = ERR_reason_error_string(error);
	snprintf(words, WORDS_BYTES, "%s", text ? text : "TLS failed");
}

char *tls_failure_words(const struct tls_session *t)
{
	char words[WORDS_BYTES] = "TLS failed";
	unsigned long error = ERR_peek_error();

	if (t->refusal)
		snprintf(words, sizeof(words), "%s", t->refusal);
	else if (error)
		print_error(t, error, words);
	ERR_clear_error();
	return memory_copy_text(words);
}
