<?php

/**
 * A shop that speaks the CoinPayments API: it makes invoices in the ways of the plugins that are in use, pays them with
 * the sandbox, and checks every answer.
 *
 *     BASE_URL=http://127.0.0.1:8080 CLIENT_ID=… CLIENT_SECRET=… HOOK_URL=http://127.0.0.1:9000/hook php sender.php
 *
 * It prints one line of JSON about what it made, or says on stderr what was wrong first and exits with 1.
 */

declare(strict_types=1);

require __DIR__ . '/signature.php';

const USD = '5057';
const LTCT = '1002'; // the test coin

try {
    echo json_encode(run(new Api(setting('BASE_URL'), setting('CLIENT_ID'), setting('CLIENT_SECRET')))), "\n";
} catch (Wrong $wrong) {
    fwrite(STDERR, $wrong->getMessage() . "\n");
    exit(1);
}

/** @return array<string, mixed> what was made, for whoever compares it with the notifications */
function run(Api $api): array
{
    testConnection($api);
    findTestCoin($api);
    $webhook = registerWebhook($api, setting('CLIENT_ID'), setting('HOOK_URL'));

    $order = [ // blanks in the number, to have some in a query later
        'number' => 'Order no ' . bin2hex(random_bytes(6)),
        'custom' => ['whmcsInvoiceId' => '42', 'hostHash' => hash('sha256', 'https://shop.example')],
    ];
    $a = createLikeWhmcs($api, $order);
    $b = createInMinorUnits($api);
    $c = createLikeWhmcs2025($api);
    cancel($api, $c);

    pickCoin($api, $a);
    foreach ([$a, $b] as $invoice) {
        $api->post("/api/v1/sandbox/invoices/$invoice/pay", new stdClass())->expect(200)->object('');
        waitFor($api, $invoice, 'paid');
    }
    $api->post('/api/v1/sandbox/mine', ['blocks' => 3])->expect(200)->object('');
    foreach ([$a, $b] as $invoice) {
        waitFor($api, $invoice, 'completed');
    }

    readDetailsV1($api, $a, $order);
    readDetailsV2($api, $a, $order);
    findInLists($api, $a, $b, $order['number']);
    readHistory($api, $a);
    $api->get("/api/v1/merchant/invoices/$a/payouts")->expect(200)->list('items');

    return ['completed' => [$a, $b], 'cancelled' => [$c], 'webhook' => $webhook, 'currency' => LTCT];
}

/** The "Test Connection" of WHMCS. A gateway without wallets has an empty list. */
function testConnection(Api $api): void
{
    $api->get('/api/v2/merchant/wallets', ['skip' => 0, 'take' => 1])->expect(200)->list('');
}

/** WooCommerce signs this URL without its query and appends that then. The route is for everybody: nobody minds. */
function findTestCoin(Api $api): void
{
    $answer = $api->getSignedWithoutQuery('/api/v1/currencies', ['q' => 'LTCT', 'types' => ['crypto', 'token']]);
    $currencies = $answer->expect(200)->list(''); // plain, not {"items":[…]}
    $index = array_search('LTCT', array_column($currencies, 'symbol'), true);
    $answer->demand($index !== false, 'has no LTCT');
    $answer->is("$index.id", LTCT);
    $answer->is("$index.type", 'crypto');
    $answer->is("$index.status", 'active');
    $answer->is("$index.decimalPlaces", 8);
    $answer->text("$index.name");
}

/** Registers the URL unless it is there already. Returns the id of the webhook. */
function registerWebhook(Api $api, string $clientId, string $url): string
{
    $wanted = ['invoiceCreated', 'invoicePending', 'invoicePaid', 'invoiceCompleted', 'invoiceCancelled'];
    $path = "/api/v1/merchant/clients/$clientId/webhooks";
    $urls = array_column($api->get($path)->expect(200)->list('items'), 'notificationsUrl');
    $made = null;
    if (!in_array($url, $urls, true)) {
        $answer = $api->post($path, ['notificationsUrl' => $url, 'notifications' => $wanted]);
        $made = $answer->expect(200, 201)->text('id');
    }

    $answer = $api->get($path)->expect(200);
    $answer->object('paging');
    $index = array_search($url, array_column($answer->list('items'), 'notificationsUrl'), true);
    $answer->demand($index !== false, "does not list $url");
    $missing = array_diff($wanted, $answer->list("items.$index.notifications"));
    $answer->demand($missing === [], 'lacks ' . implode(', ', $missing));
    $answer->demand(is_bool($answer->at("items.$index.createdFromUI")), 'does not tell who made the webhook');
    $id = $answer->text("items.$index.id");
    $answer->demand($made === null || $made === $id, "lists $url under another id than $made");

    return $id;
}

/** By v2, where amounts are decimals as text. What is not ASCII is escaped by json_encode, and so are slashes. */
function createLikeWhmcs(Api $api, array $order): string
{
    $answer = $api->post('/api/v2/merchant/invoices', [
        'currency' => USD,
        'invoiceId' => $order['number'],
        'items' => [[
            'customId' => '42',
            'name' => 'Café ☕ #42',
            'description' => 'Beans/ground',
            'quantity' => ['value' => 1, 'type' => 'quantity'],
            'originalAmount' => '10.00',
            'amount' => '10.00',
            'tax' => '0.00',
        ]],
        'amount' => [
            'breakdown' => [
                'subtotal' => '10.00',
                'shipping' => '0',
                'handling' => '0',
                'taxTotal' => '0',
                'discount' => '0',
            ],
            'total' => '10.00',
        ],
        'isEmailDelivery' => false,
        'metadata' => ['integration' => 'plugin:whmcs_8', 'hostname' => 'https://shop.example'],
        'customData' => $order['custom'],
        'successUrl' => 'https://shop.example/viewinvoice.php?id=42&paid=1',
        'cancelUrl' => 'https://shop.example/viewinvoice.php?id=42',
    ])->expect(200, 201);
    $answer->lacks('invoices.0.payment'); // not asked for
    $answer->lacks('invoices.0.hotWallet');

    return createdInvoice($answer);
}

/**
 * By v1, where amounts are objects with minor units. They come as text, as whole floats like 1999.0 and with the noise
 * of 19.99 * 100, which is 1998.9999999999998. The refund address asks for a payment, the currency for an address.
 */
function createInMinorUnits(Api $api): string
{
    $usd = fn (mixed $value): array => ['currencyId' => USD, 'value' => $value];
    $answer = $api->post('/api/v1/merchant/invoices', [
        'clientId' => setting('CLIENT_ID'),
        'invoiceId' => bin2hex(random_bytes(6)),
        'items' => [[
            'name' => 'Mug',
            'quantity' => ['value' => 1, 'type' => 2],
            'originalAmount' => $usd('1999'),
            'amount' => $usd(19.99 * 100),
            'tax' => $usd('0'),
        ]],
        'amount' => $usd(1999.0) + [
            'displayValue' => '19.99',
            'breakdown' => [
                'subtotal' => $usd('1999'),
                'shipping' => new stdClass(),
                'handling' => new stdClass(),
                'taxTotal' => new stdClass(),
                'discount' => new stdClass(),
            ],
        ],
        'payment' => ['refundEmail' => 'buyer@shop.example', 'paymentCurrency' => LTCT],
    ], JSON_PRESERVE_ZERO_FRACTION)->expect(200, 201);

    $answer->text('invoices.0.payment.paymentId');
    $answer->is('invoices.0.payment.refundEmail', 'buyer@shop.example');
    $answer->future('invoices.0.payment.expires');
    $coins = array_column($answer->list('invoices.0.payment.paymentCurrencies'), 'currency');
    $index = array_search(LTCT, array_column($coins, 'id'), true);
    $answer->demand($index !== false, 'does not offer LTCT');
    $coin = "invoices.0.payment.paymentCurrencies.$index";
    $answer->is("$coin.isDisabled", false);
    $answer->money("$coin.amount", LTCT);
    $answer->money("$coin.remainingAmount", LTCT);

    $answer->is('invoices.0.hotWallet.currency.id', LTCT);
    $answer->text('invoices.0.hotWallet.addresses.address');
    $answer->future('invoices.0.hotWallet.expires');

    return createdInvoice($answer);
}

/** The WHMCS plugin of 2025: the ISO code as currency, one item where a list belongs, and a number as its type. */
function createLikeWhmcs2025(Api $api): string
{
    return createdInvoice($api->post('/api/v2/merchant/invoices', [
        'currency' => 'USD',
        'invoiceId' => bin2hex(random_bytes(6)),
        'items' => ['name' => 'Spoon', 'quantity' => ['value' => 1, 'type' => 2], 'amount' => '5.50'],
        'amount' => ['breakdown' => ['subtotal' => '5.50'], 'total' => '5.50'],
    ])->expect(200, 201));
}

/** Returns the id of the only invoice of the answer, after a look at what every shop needs of it. */
function createdInvoice(Answer $answer): string
{
    $answer->demand(count($answer->list('invoices')) === 1, 'does not have one invoice');
    $id = $answer->text('invoices.0.id');
    $uuid = '/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/Di';
    $answer->demand(preg_match($uuid, $id) === 1, "has an invoice id that is no UUID: $id");
    foreach (['link', 'checkoutLink'] as $name) {
        $link = $answer->text("invoices.0.$name");
        $answer->demand(preg_match('~^https?://[^/]+/~', $link) === 1, "has a $name that is no URL: $link");
    }

    return $id;
}

function cancel(Api $api, string $invoice): void
{
    $answer = $api->post("/api/v1/merchant/invoices/$invoice/cancel")->expect(200, 202, 204);
    $answer->demand($answer->body === '', 'should be empty');

    $answer = $api->get("/api/v2/merchant/invoices/$invoice")->expect(200);
    $answer->is('status', 'cancelled');
    $answer->moment('cancelled');
}

/** What the buyer's browser does: it picks a coin, and gets an address for it that stays. */
function pickCoin(Api $api, string $invoice): void
{
    $path = "/api/v1/invoices/$invoice/payment-currencies/" . LTCT;
    $answer = $api->getAnonymously($path)->expect(200);
    $answer->is('currency.id', LTCT);
    $answer->is('currency.symbol', 'LTCT');
    $answer->decimal('amount.displayValue');
    $answer->money('amount', LTCT);
    $answer->money('remainingAmount', LTCT);
    $answer->future('expires');
    $address = $answer->text('addresses.address');
    $answer->demand(str_contains($answer->text('addresses.biP21'), $address), 'has a biP21 without the address');
    $api->getAnonymously($path)->expect(200)->is('addresses.address', $address);

    $answer = $api->getAnonymously("$path/status")->expect(200);
    $status = $answer->text('status'); // the docs let "pending" wait for a payment here, and have one there
    $answer->demand(in_array($status, ['unpaid', 'pending'], true), "has status $status before anything is paid");
    $answer->moment('created');
    $answer->future('expires');
    $answer->is('partialAcceptAvailable', false);
    $answer->is('payment.currencyId', (int) LTCT); // a number here, unlike elsewhere
    $answer->is('payment.confirmations', 0);
    $answer->demand(is_int($answer->at('payment.requiredConfirmations')), 'has no number of confirmations');
    foreach (['confirmedAmount', 'unconfirmedAmount', 'expectedAmount', 'remainingAmount'] as $name) {
        $answer->money("payment.$name", LTCT);
    }

    // The merchant is told that it waits for its payment.
    $api->get("/api/v2/merchant/invoices/$invoice")->expect(200)->is('status', 'pending');
}

/** Asks for the state of the payment, as checkout pages do, until it is the wanted one. */
function waitFor(Api $api, string $invoice, string $wanted): void
{
    $deadline = microtime(true) + 30;
    do {
        $answer = $api->getAnonymously("/api/v1/invoices/$invoice/payment-currencies/" . LTCT . '/status')->expect(200);
        if ($answer->text('status') === $wanted) {
            return;
        }
        usleep(100_000);
    } while (microtime(true) < $deadline);
    $answer->demand(false, "does not become $wanted in 30 seconds");
}

/** In v1 amounts are objects with minor units. */
function readDetailsV1(Api $api, string $invoice, array $order): void
{
    $answer = readDetails($api, 1, $invoice, $order);
    foreach (['amount', 'amount.breakdown.subtotal', 'items.0.amount'] as $path) {
        $answer->money($path, USD);
        $answer->is("$path.value", '1000');
    }
    $answer->money('payments.0.expectedAmount', LTCT);
    $answer->money('payments.0.actualAmount', LTCT);
}

/** In v2 amounts are decimals as text. */
function readDetailsV2(Api $api, string $invoice, array $order): void
{
    $answer = readDetails($api, 2, $invoice, $order);
    foreach (['amount.total', 'amount.breakdown.subtotal', 'items.0.amount'] as $path) {
        $answer->demand((float) $answer->decimal($path) === 10.0, "has not 10.00 as $path");
    }
    $answer->decimal('payments.0.expectedAmount');
    $answer->decimal('payments.0.actualAmount');
    $answer->is('payments.0.paymentCurrencyId', LTCT);
    $answer->is('payments.0.paymentCurrencySymbol', 'LTCT');
    $answer->is('successUrl', 'https://shop.example/viewinvoice.php?id=42&paid=1');
    $answer->is('cancelUrl', 'https://shop.example/viewinvoice.php?id=42');
}

/** What both versions have in common. */
function readDetails(Api $api, int $version, string $invoice, array $order): Answer
{
    $answer = $api->get("/api/v$version/merchant/invoices/$invoice", ['include_full_details' => true])->expect(200);
    $answer->is('id', $invoice);
    $answer->is('invoiceId', $order['number']);
    $answer->is('status', 'completed');
    $answer->is('currency.id', USD);
    $answer->is('currency.symbol', 'USD');
    $answer->moment('created');
    $answer->moment('completed');
    $answer->lacks('cancelled');
    $answer->text('merchant.id');
    $answer->text('merchant.name');
    $answer->is('items.0.name', 'Café ☕ #42');
    $answer->is('items.0.description', 'Beans/ground');
    $answer->is('metadata.hostname', 'https://shop.example');
    $answer->is('customData.hostHash', $order['custom']['hostHash']);
    $answer->is('customData.whmcsInvoiceId', $order['custom']['whmcsInvoiceId']);
    $answer->is('payments.0.state', 'completed');
    $answer->text('payments.0.paymentAddress');

    return $answer;
}

function findInLists(Api $api, string $a, string $b, string $number): void
{
    $path = '/api/v2/merchant/invoices';
    $seen = [];
    $after = null;
    do {
        $query = ['status' => 'completed', 'limit' => 1] + ($after === null ? [] : ['after' => $after]);
        $answer = $api->get($path, $query)->expect(200);
        $answer->demand(count($answer->list('items')) <= 1, 'has more than the limit');
        foreach ($answer->list('items') as $index => $item) {
            $answer->is("items.$index.status", 'completed');
            $answer->demand(!in_array($item->id, $seen, true), "has $item->id, which was on an earlier page");
            $seen[] = $item->id;
        }
        $after = $answer->object('paging')->cursors->after ?? null; // none on the last page
        $answer->demand($after === null || $answer->list('items') !== [], 'is an empty page with more to come');
    } while ($after !== null);
    $answer->demand(array_diff([$a, $b], $seen) === [], "ends the list, and $a and $b were not both in it");

    $answer = $api->get($path, ['q' => $number])->expect(200);
    $answer->demand(array_column($answer->list('items'), 'id') === [$a], "is not just the invoice $number");
    $answer->is('items.0.invoiceId', $number);
}

function readHistory(Api $api, string $invoice): void
{
    $answer = $api->get("/api/v1/merchant/invoices/$invoice/history")->expect(200);
    $previous = null;
    $events = [];
    foreach (array_keys($answer->list('items')) as $index) {
        $moment = $answer->moment("items.$index.timestamp");
        $answer->demand($previous === null || $previous <= $moment, 'is not in order of time');
        $previous = $moment;
        $events[] = $answer->text("items.$index.eventType");
    }
    $life = ['created', 'pending', 'paid', 'completed'];
    $lived = array_values(array_intersect(array_unique($events), $life));
    $answer->demand($lived === $life, 'is not created, pending, paid, completed');
}

function setting(string $name): string
{
    $value = (string) getenv($name);
    if ($value === '') {
        throw new Wrong("The environment lacks $name.");
    }

    return $value;
}

/** The first thing that is wrong, as a sentence. */
final class Wrong extends Exception
{
}

/** Calls the gateway as the official PHP SDK does on the wire. */
final class Api
{
    private CurlHandle $curl;

    public function __construct(
        private readonly string $base,
        private readonly string $clientId,
        private readonly string $secret,
    ) {
        $this->curl = curl_init(); // one for all calls, to keep the connection
    }

    public function get(string $path, array $query = []): Answer
    {
        $url = $this->base . $path . self::query($query);

        return $this->send('GET', $url, $this->sign('GET', $url, ''), '');
    }

    /** The way of some plugins: right only where nobody looks at the signature. */
    public function getSignedWithoutQuery(string $path, array $query): Answer
    {
        $url = $this->base . $path;

        return $this->send('GET', $url . self::query($query), $this->sign('GET', $url, ''), '');
    }

    public function getAnonymously(string $path): Answer
    {
        return $this->send('GET', $this->base . $path, [], null);
    }

    public function post(string $path, array|stdClass|null $data = null, int $jsonFlags = 0): Answer
    {
        $url = $this->base . $path;
        $body = $data === null ? '' : json_encode($data, $jsonFlags | JSON_THROW_ON_ERROR);
        $headers = $this->sign('POST', $url, $body);
        if ($data !== null) {
            $headers[] = 'Content-Type: application/json';
        }

        return $this->send('POST', $url, $headers, $body);
    }

    /** @return list<string> */
    private function sign(string $method, string $url, string $body): array
    {
        $timestamp = gmdate('Y-m-d\TH:i:s'); // UTC, whatever the time zone of the shop is
        $signature = signature($this->secret, $method, $url, $this->clientId, $timestamp, $body);

        return [
            "X-CoinPayments-Client: $this->clientId",
            "X-CoinPayments-Timestamp: $timestamp",
            "X-CoinPayments-Signature: $signature",
        ];
    }

    /**
     * An empty body is a body for curl: it sends Content-Length: 0 and application/x-www-form-urlencoded, with GET too.
     * That is odd, and just what the SDK sends. Without a User-Agent set, there is none.
     */
    private function send(string $method, string $url, array $headers, ?string $body): Answer
    {
        curl_reset($this->curl);
        curl_setopt_array($this->curl, [
            CURLOPT_URL => $url,
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => 30,
        ] + ($body === null ? [] : [CURLOPT_POSTFIELDS => $body]));
        $text = curl_exec($this->curl);
        if ($text === false) {
            throw new Wrong("$method $url: " . curl_error($this->curl) . '.');
        }

        return new Answer("$method $url", curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE), $text);
    }

    /** Blanks become +, lists are joined by commas, and booleans are words. */
    private static function query(array $query): string
    {
        $words = array_map(fn (mixed $value): string => match (true) {
            is_bool($value) => $value ? 'true' : 'false',
            is_array($value) => implode(',', $value),
            default => (string) $value,
        }, $query);

        return $words === [] ? '' : '?' . http_build_query($words, '', '&', PHP_QUERY_RFC1738);
    }
}

/**
 * An answer, and what it should be: every method throws unless it is so. A path like invoices.0.id leads into the JSON,
 * the empty path is all of it.
 */
final class Answer
{
    private readonly mixed $json;

    public function __construct(
        private readonly string $call,
        private readonly int $status,
        public readonly string $body,
    ) {
        $this->json = json_decode($body); // objects stay objects: {} and [] are not the same
    }

    public function expect(int ...$statuses): self
    {
        $this->demand(in_array($this->status, $statuses, true), 'should have status ' . implode(' or ', $statuses));

        return $this;
    }

    public function demand(bool $holds, string $otherwise): void
    {
        if (!$holds) {
            throw new Wrong("$this->call: the answer $otherwise. It is $this->status $this->body");
        }
    }

    /** Returns what is there; null if it is null or missing, which clients do not tell apart. */
    private function find(string $path): mixed
    {
        $value = $this->json;
        foreach ($path === '' ? [] : explode('.', $path) as $name) {
            $value = match (true) {
                is_array($value) => $value[$name] ?? null,
                is_object($value) => $value->$name ?? null,
                default => null,
            };
        }

        return $value;
    }

    public function at(string $path): mixed
    {
        $value = $this->find($path);
        $this->demand($value !== null, $path === '' ? 'is not JSON' : "has no $path");

        return $value;
    }

    public function lacks(string $path): void
    {
        $this->demand($this->find($path) === null, "has $path");
    }

    public function is(string $path, mixed $wanted): void
    {
        $value = $this->at($path);
        $this->demand($value === $wanted, "has $path " . json_encode($value) . ', not ' . json_encode($wanted));
    }

    public function text(string $path): string
    {
        $value = $this->at($path);
        $this->demand(is_string($value) && $value !== '', "has no text as $path");

        return $value;
    }

    public function list(string $path): array
    {
        $value = $this->at($path);
        $this->demand(is_array($value), $path === '' ? 'is not a list' : "has no list as $path");

        return $value;
    }

    public function object(string $path): stdClass
    {
        $value = $this->at($path);
        $this->demand($value instanceof stdClass, $path === '' ? 'is not an object' : "has no object as $path");

        return $value;
    }

    /** A number like 10.00, as text. */
    public function decimal(string $path): string
    {
        $value = $this->text($path);
        $this->demand(preg_match('/^\d+(\.\d+)?$/D', $value) === 1, "has $path that is no decimal: $value");

        return $value;
    }

    /** An amount of v1. The value is in the smallest unit, as text; the display value may have the symbol behind. */
    public function money(string $path, string $currency): void
    {
        $this->is("$path.currencyId", $currency);
        $value = $this->text("$path.value");
        $this->demand(preg_match('/^\d+$/D', $value) === 1, "has $path.value that is no whole number: $value");
        $display = $this->text("$path.displayValue");
        $number = '/^\d+(\.\d+)?( |$)/';
        $this->demand(preg_match($number, $display) === 1, "has $path.displayValue without number: $display");
        $decimal = $this->at("$path.valueAsDecimal");
        $this->demand(is_int($decimal) || is_float($decimal), "has $path.valueAsDecimal that is no number");
        $this->demand((float) $display === (float) $decimal, "has $path that contradicts itself");
    }

    public function moment(string $path): DateTimeImmutable
    {
        $value = $this->text($path);
        $iso = '/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/D';
        $this->demand(preg_match($iso, $value) === 1, "has $path that is no time: $value");

        return new DateTimeImmutable($value);
    }

    public function future(string $path): void
    {
        $this->demand($this->moment($path) > new DateTimeImmutable(), "has $path that is over");
    }
}
