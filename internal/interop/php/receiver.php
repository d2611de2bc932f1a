<?php

/**
 * A shop's end of the notifications of the CoinPayments API. It verifies each as the official PHP SDK does, looks at
 * the shape of what came, and writes one line of JSON about it:
 *
 *     HOOK_URL=http://127.0.0.1:9000/hook?shop=1 CLIENT_ID=… CLIENT_SECRET=… LOG=hooks.jsonl \
 *         php -S 127.0.0.1:9000 receiver.php
 *
 * HOOK_URL    the URL as it was registered, letter by letter, with its query
 * MAX_AGE     seconds that a notification may be under way, 300 unless told; 0 is for ever
 * FAIL_FIRST  a type, like InvoicePaid: the first arrival of each such notification is answered with 500, so that it is
 *             sent again
 *
 * It remembers nothing but what is in LOG.
 */

declare(strict_types=1);

require __DIR__ . '/signature.php';

/** A notification that is not taken; the code is the HTTP status of the answer. */
final class Refused extends Exception
{
}

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    $_SERVER['REQUEST_URI'] === '/' ? answer(200, 'ready') : answer(404, 'not found');
    return;
}

$body = (string) file_get_contents('php://input'); // raw, for JSON that is encoded anew has another signature
$event = json_decode($body);
[$status, $reason] = [200, 'OK'];
try {
    verify($body);
    checkShape($event);
    failFirst($event);
} catch (Refused $refused) {
    [$status, $reason] = [$refused->getCode(), $refused->getMessage()];
}
record($status, $reason, $event);
answer($status, $reason);

/** Throws unless the gateway, and nobody else, sent this here and now. */
function verify(string $body): void
{
    $hookUrl = (string) getenv('HOOK_URL');
    $clientId = (string) getenv('CLIENT_ID');
    $secret = (string) getenv('CLIENT_SECRET');
    // An empty secret would verify what anybody can sign.
    $configured = $hookUrl !== '' && $clientId !== '' && $secret !== '';
    demand($configured, 500, 'HOOK_URL, CLIENT_ID and CLIENT_SECRET must be set');

    foreach (['Client', 'Timestamp', 'Signature'] as $name) {
        demand(arrived($name) !== '', 401, "missing header X-CoinPayments-$name");
    }
    demand(hash_equals($clientId, arrived('Client')), 401, 'another client');

    $timestamp = arrived('Timestamp');
    $sent = DateTimeImmutable::createFromFormat('!Y-m-d\TH:i:s', $timestamp, new DateTimeZone('UTC'));
    demand($sent !== false && $sent->format('Y-m-d\TH:i:s') === $timestamp, 401, 'malformed timestamp');
    $maxAge = (int) (getenv('MAX_AGE') === false ? 300 : getenv('MAX_AGE'));
    demand($maxAge === 0 || abs(time() - $sent->getTimestamp()) <= $maxAge, 401, 'too old, or from the future');

    $expected = signature($secret, 'POST', $hookUrl, $clientId, $timestamp, $body);
    demand(hash_equals($expected, arrived('Signature')), 401, 'wrong signature');

    // Many shops do not keep the URL that they registered but rebuild it from the request. That works only if the
    // gateway calls exactly the URL that it signs.
    $called = 'http://' . $_SERVER['HTTP_HOST'] . $_SERVER['REQUEST_URI'];
    demand($called === $hookUrl, 401, "called as $called");
}

/** Throws unless the body is what shops read: here names, types and units differ from those of GET invoice. */
function checkShape(mixed $event): void
{
    $matches = fn (string $pattern, mixed $value): bool => is_string($value) && preg_match($pattern, $value) === 1;
    $pascalCase = '/^([A-Z][a-z]+)+$/D';
    $uuid = '/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/D';
    $moment = '/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00$/D';

    demand($event instanceof stdClass, 400, 'not a JSON object');
    demand($matches('/^[0-9a-f]{32}$/D', $event->id ?? null), 400, 'id is not 32 hex digits');
    demand($matches($pascalCase, $event->type ?? null), 400, 'type is not PascalCase');
    demand($matches($moment, $event->timestamp ?? null), 400, 'timestamp is not UTC with seven digits of fraction');

    $invoice = $event->invoice ?? null;
    demand($invoice instanceof stdClass, 400, 'no invoice');
    demand($matches($uuid, $invoice->id ?? null), 400, 'invoice.id is not a UUID');
    demand($matches($pascalCase, $invoice->state ?? null), 400, 'invoice.state is not PascalCase');

    // The header has the client id as 32 hex digits, the body has it as a UUID.
    $client = vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split((string) getenv('CLIENT_ID'), 4));
    demand(($invoice->merchantClientId ?? null) === $client, 400, 'invoice.merchantClientId is not our id as a UUID');

    demand(is_int($invoice->amount->total ?? null), 400, 'invoice.amount.total is not an integer of minor units');
    $created = $invoice->createdAt ?? null; // in milliseconds it would be far in the future
    demand(is_int($created) && $created > 0 && $created <= time() + 300, 400, 'invoice.createdAt is not Unix seconds');
}

/** Throws if this notification shall fail and has not done so yet. */
function failFirst(stdClass $event): void
{
    if ($event->type !== getenv('FAIL_FIRST')) {
        return;
    }
    $log = getenv('LOG');
    foreach (is_file($log) ? file($log) : [] as $line) {
        $earlier = json_decode($line);
        if ($earlier->id === $event->id && $earlier->status === 500) {
            return;
        }
    }
    throw new Refused('fails the first time, as told', 500);
}

/** Appends the line about this arrival. If that was not verified, anybody may have written what the line has of it. */
function record(int $status, string $reason, mixed $event): void
{
    $line = json_encode([
        'accepted' => $status === 200,
        'status' => $status,
        'reason' => $reason,
        'id' => $event->id ?? null,
        'type' => $event->type ?? null,
        'invoice' => $event->invoice->id ?? null,
        'number' => $event->invoice->invoiceId ?? null,
        'state' => $event->invoice->state ?? null,
        'total' => $event->invoice->amount->total ?? null,
        'timestamp' => arrived('Timestamp'),
        'sequence' => $_SERVER['HTTP_PAYBELL_SEQUENCE'] ?? null,
        'customData' => $event->invoice->customData ?? null,
    ], JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
    if (file_put_contents((string) getenv('LOG'), "$line\n", FILE_APPEND | LOCK_EX) === false) {
        throw new RuntimeException('cannot write LOG'); // PHP answers with 500, and the notification comes again
    }
}

/** Returns the header X-CoinPayments-$name, empty if it is missing. */
function arrived(string $name): string
{
    return $_SERVER['HTTP_X_COINPAYMENTS_' . strtoupper($name)] ?? '';
}

function demand(bool $holds, int $status, string $otherwise): void
{
    if (!$holds) {
        throw new Refused($otherwise, $status);
    }
}

function answer(int $status, string $text): void
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    echo $text;
}
