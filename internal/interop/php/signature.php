<?php

declare(strict_types=1);

/**
 * The signature of the CoinPayments API. One recipe serves both directions: the shop signs its requests with it, and
 * the gateway signs its notifications.
 *
 * Everything is taken as it is on the wire: the URL is absolute and has its query in the spelling that is sent, the
 * body is the raw bytes, empty if there are none. The secret looks like base64, but the key is its text.
 */
function signature(
    string $secret,
    string $method,
    string $url,
    string $clientId,
    string $timestamp,
    string $body,
): string {
    $message = "\u{FEFF}" . $method . $url . $clientId . $timestamp . $body; // in UTF-8 the mark is EF BB BF

    return base64_encode(hash_hmac('sha256', $message, $secret, binary: true));
}
