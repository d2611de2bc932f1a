// A shop's client, written from the CoinPayments API alone: it goes once through the whole life of three invoices and
// checks every answer.
//
//   BASE_URL=http://127.0.0.1:8080 CLIENT_ID=… CLIENT_SECRET=… HOOK_URL=http://127.0.0.1:9000/hook node sender.mjs
//
// It prints one line of JSON and exits with 0, or says on stderr what was wrong first and exits with 1. On the wire it
// behaves like the clients that are out there, habits and all, not like a tidy one. The money is play money: invoices
// are paid, and blocks mined, through the sandbox.
import { createHmac, randomBytes } from "node:crypto"
import { isIP } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { isDeepStrictEqual } from "node:util"

const { BASE_URL, CLIENT_ID, CLIENT_SECRET, HOOK_URL } = process.env
const LTCT = "1002"
const USD = "5057"
const HOUR = 3600_000

// --- Calls ----------------------------------------------------------------------------------------------------------

let calls = 0

// Clients in the wild write the time and their own id in more than one way. Whatever the header says is what is signed.
function habits() {
  const n = calls++
  const now = new Date().toISOString() // 2026-01-02T03:04:05.678Z
  return {
    timestamp: n % 2 === 0 ? now.slice(0, 19) : now,
    client: (n >> 1) % 2 === 0 ? CLIENT_ID : CLIENT_ID.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
  }
}

// signed calls the server as the client. Without a body the generated Node client signs the text "null" where the body
// would be, except for GET, and sends nothing.
function signed(method, path, body) {
  const url = new URL(path, BASE_URL).href
  const text = body && JSON.stringify(body)
  const { timestamp, client } = habits()
  // "\ufeff" are the bytes EF BB BF. The secret looks like base64, but the key is its text.
  const message = "\ufeff" + method + url + client + timestamp + (text ?? (method === "GET" ? "" : "null"))
  return call(method, url, text, {
    "X-CoinPayments-Client": client,
    "X-CoinPayments-Timestamp": timestamp,
    "X-CoinPayments-Signature": createHmac("sha256", CLIENT_SECRET).update(message).digest("base64"),
    ...(text && { "Content-Type": "application/json" }),
  })
}

const anonymous = (path) => call("GET", new URL(path, BASE_URL).href)

// call returns the answer's JSON, or undefined if the answer is empty. Any 2xx is good; the API knows 200, 201 and 204.
async function call(method, url, body, headers) {
  const name = `${method} ${url}`
  const response = await fetch(url, { method, headers, body, redirect: "manual" })
    .catch((error) => fail(`${name}: ${error.cause?.message ?? error.message}`))
  const text = await response.text()
  expect(response.ok, `${name} answered ${response.status}: ${text.slice(0, 500)}`)
  if (text === "") return undefined
  try {
    return JSON.parse(text)
  } catch {
    fail(`${name} did not answer JSON: ${text.slice(0, 500)}`)
  }
}

// --- Checks ---------------------------------------------------------------------------------------------------------

const fail = (sentence) => { throw new Error(sentence) }
const show = (value) => (JSON.stringify(value) ?? "nothing").slice(0, 500)

function expect(holds, sentence) {
  if (!holds) fail(sentence)
}

function equal(got, want, what) {
  expect(isDeepStrictEqual(got, want), `${what} is ${show(got)}, not ${show(want)}`)
}

function matches(got, pattern, what) {
  expect(typeof got === "string" && pattern.test(got), `${what} is ${show(got)}, which does not match ${pattern}`)
}

function whole(got, what) {
  expect(Number.isSafeInteger(got) && got >= 0, `${what} is ${show(got)}, not a whole number`)
}

function list(got, what) {
  expect(Array.isArray(got), `${what} is ${show(got)}, not a list`)
  return got
}

// An amount as v1 writes it. Its currency may be left open: the merchant's own need not be the invoice's.
function money(got, currencyId, what) {
  matches(got?.value, /^\d+$/, `${what}.value`)
  matches(got.displayValue, /\d/, `${what}.displayValue`)
  matches(got.currencyId, currencyId ? new RegExp(`^${currencyId}$`) : /^\d+$/, `${what}.currencyId`)
  expect(typeof got.valueAsDecimal === "number", `${what}.valueAsDecimal is ${show(got.valueAsDecimal)}, not a number`)
}

function inFuture(got, what) {
  expect(typeof got === "string" && Date.parse(got) > Date.now(), `${what} is ${show(got)}, not a time in the future`)
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const DECIMAL = /^\d+(\.\d+)?$/

// --- Things the API knows -------------------------------------------------------------------------------------------

// A page of a list: {items, paging}.
function page(got, what) {
  list(got?.items, `${what}: items`)
  expect(typeof got.paging?.cursors === "object", `${what}: paging is ${show(got.paging)}, without cursors`)
  return got
}

// walk reads a list of invoices to its end, from page to page by next(page): the path of the page that follows, if any.
// The end is where no page follows, or an empty one: a server need not know that a full page was the last.
async function walk(path, next) {
  const ids = []
  for (let at = path; at;) {
    const got = page(await signed("GET", at), `GET ${at}`)
    if (got.items.length === 0) break
    ids.push(...got.items.map((invoice) => invoice.id))
    expect(new Set(ids).size === ids.length, `GET ${at}: an invoice came twice: ${ids.at(-1)}`)
    at = next(got)
  }
  return ids
}

const byCursor = (path) =>
  walk(path, ({ paging }) => paging.cursors.after && `${path}&after=${encodeURIComponent(paging.cursors.after)}`)
const byNext = (path) => walk(path, ({ paging }) => paging.next)

async function create(path, request) {
  const { invoices } = (await signed("POST", path, request)) ?? {}
  equal(list(invoices, `POST ${path}: invoices`).length, 1, `POST ${path}: how many invoices`)
  const [invoice] = invoices
  matches(invoice.id, UUID, "the invoice's id")
  matches(invoice.checkoutLink, /^https?:\/\/.+/, "checkoutLink")
  return invoice
}

// The payment that an invoice has from its creation, or from POST …/payments.
function checkPayment(got, refundEmail, what) {
  matches(got?.paymentId, /./, `${what}.paymentId`)
  inFuture(got.expires, `${what}.expires`)
  equal(got.refundEmail, refundEmail, `${what}.refundEmail`)
  const coin = list(got.paymentCurrencies, `${what}.paymentCurrencies`).find(({ currency }) => currency?.id === LTCT)
  expect(coin, `${what}.paymentCurrencies has no LTCT`)
  equal(coin.isDisabled, false, `${what}: isDisabled of LTCT`)
  money(coin.amount, LTCT, `${what}: amount`)
  money(coin.remainingAmount, LTCT, `${what}: remainingAmount`)
  money(coin.approximateNetworkAmount, LTCT, `${what}: approximateNetworkAmount`)
  money(coin.approximateNetworkInNativeCurrencyAmount, null, `${what}: approximateNetworkInNativeCurrencyAmount`)
}

// Where the buyer pays: a new invoice's hotWallet, or what picking a coin answers.
function checkWallet(got, what) {
  equal(got?.currency?.id, LTCT, `${what}.currency.id`)
  equal(got.currency.symbol, "LTCT", `${what}.currency.symbol`)
  money(got.amount, LTCT, `${what}.amount`)
  money(got.remainingAmount, LTCT, `${what}.remainingAmount`)
  matches(got.addresses?.address, /^\w+$/, `${what}.addresses.address`)
  matches(got.addresses.biP21, /^\w+:\w+\?amount=/, `${what}.addresses.biP21`)
  expect(got.addresses.biP21.includes(`:${got.addresses.address}?`), `${what}.addresses.biP21 is for another address`)
  inFuture(got.expires, `${what}.expires`)
}

async function reach(id, wanted) {
  let status
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(100)) {
    const got = await anonymous(`/api/v1/invoices/${id}/payment-currencies/${LTCT}/status`)
    status = got?.status
    if (status === wanted) return got
  }
  fail(`invoice ${id} is ${status} after 30 seconds, not ${wanted}`)
}

function checkStatus(got, what) {
  matches(got.created, /^\d{4}-/, `${what}: created`)
  inFuture(got.expires, `${what}: expires`)
  equal(got.partialAcceptAvailable, false, `${what}: partialAcceptAvailable`)
  equal(got.payment?.currencyId, Number(LTCT), `${what}: payment.currencyId`)
  whole(got.payment.confirmations, `${what}: payment.confirmations`)
  whole(got.payment.requiredConfirmations, `${what}: payment.requiredConfirmations`)
  for (const key of ["confirmedAmount", "unconfirmedAmount", "expectedAmount", "remainingAmount"]) {
    money(got.payment[key], LTCT, `${what}: payment.${key}`)
  }
}

// --- The steps ------------------------------------------------------------------------------------------------------

const run = randomBytes(6).toString("hex") // so that runs do not get into each other's way
const number = { a: `node-a-${run}`, b: `node-b-${run}`, c: `node-c-${run}` }
const customData = { order: run, note: "crème brûlée ☕" }

// What a shop asks before it has an account.
async function lookAround() {
  const currencies = list(await anonymous("/api/v1/currencies"), "GET currencies")
  const coin = currencies.find(({ symbol }) => symbol === "LTCT")
  equal(coin?.id, LTCT, "the id of LTCT")
  equal(coin.type, "crypto", "the type of LTCT")

  const rates = list((await anonymous(`/api/v2/rates?from=${USD}&to=${LTCT}`))?.items, "GET rates: items")
  matches(rates[0]?.rate, DECIMAL, "the rate of USD to LTCT")
  expect(Number(rates[0].rate) > 0, "the rate of USD to LTCT is nothing")
}

// "Is my integration valid?", as plugins ask it.
async function testConnection() {
  const got = page(await signed("GET", "/api/v1/merchant/invoices?limit=1"), "GET invoices")
  expect(got.items.length <= 1, "GET invoices with limit=1 answered more than one")
}

// One webhook for HOOK_URL, which stays for the next run. The names are in every case that clients write them in.
async function registerWebhook() {
  const path = `/api/v2/merchant/clients/${CLIENT_ID}/webhooks`
  const notifications = ["invoiceCreated", "InvoicePending", "invoicePaid", "INVOICECOMPLETED", "invoiceCancelled"]
  const ours = async () =>
    page(await signed("GET", path), "GET webhooks").items.filter((hook) => hook.notificationsUrl === HOOK_URL)

  let hooks = await ours()
  if (hooks.length === 0) {
    const created = await signed("POST", path, { notificationsUrl: HOOK_URL, notifications })
    matches(created?.id, /^.{1,36}$/, "the new webhook's id")
    hooks = await ours()
    equal(hooks[0]?.id, created.id, "the id of the webhook in the list")
  }
  equal(hooks.length, 1, "the number of webhooks for our URL")
  const names = list(hooks[0].notifications, "the webhook's notifications").map((name) => name.toLowerCase())
  equal(names.sort(), notifications.map((name) => name.toLowerCase()).sort(), "the webhook's notifications")
  equal(hooks[0].createdFromUI, false, "the webhook's createdFromUI")
  return hooks[0].id
}

// v2, with the names and types of its first version: currencyId, and amounts as JSON numbers of whole units.
async function createA() {
  const a = await create("/api/v2/merchant/invoices", {
    currencyId: USD,
    invoiceId: number.a,
    items: [
      { name: "Café crème ☕", quantity: { value: "1", type: "1" }, originalAmount: 10.5, amount: 10.5, tax: 0 },
      { name: "Thé à la menthe", quantity: { value: "3", type: 2 }, amount: 4.25, colour: "green" },
    ],
    amount: { breakdown: { subtotal: 14.75, shipping: 0 }, total: 14.75 },
    buyer: {},
    shipping: {},
    customData,
    refundEmail: "not.here@example.com",
    somethingNew: { of: ["another", "version"] },
  })
  equal(a.payment ?? null, null, "payment, which was not asked for,")
  equal(a.hotWallet ?? null, null, "hotWallet, which was not asked for,")
  return a.id
}

// v1, in cents, and with the coin picked at once.
async function createB() {
  const cents = (value) => ({ currencyId: USD, value })
  const b = await create("/api/v1/merchant/invoices", {
    clientId: CLIENT_ID,
    invoiceId: number.b,
    items: [{ name: "Éclair", quantity: { value: 1, type: 2 }, originalAmount: cents(1250), amount: cents(1250) }],
    amount: {
      ...cents("1250"),
      displayValue: "12.50",
      breakdown: { subtotal: cents("1250"), shipping: {}, handling: {}, taxTotal: {}, discount: {} },
    },
    payment: { refundEmail: "buyer@example.com", paymentCurrency: "LTCT" },
  })
  checkPayment(b.payment, "buyer@example.com", "payment")
  checkWallet(b.hotWallet, "hotWallet")
  return b.id
}

// An invoice with a webhook of its own, at the URL that the client's webhook has already: each notification comes once.
async function createAndCancelC() {
  const { id } = await create("/api/v2/merchant/invoices", {
    currency: USD,
    invoiceId: number.c,
    items: [{ name: "Croissant", quantity: { value: 1, type: "quantity" }, amount: "3.00" }],
    amount: { breakdown: { subtotal: "3.00" }, total: "3.00" },
    webhooks: [{ notificationsUrl: HOOK_URL, notifications: ["invoiceCancelled"] }],
  })
  for (const time of ["first", "second"]) {
    const answer = await signed("POST", `/api/v1/merchant/invoices/${id}/cancel`)
    equal(answer, undefined, `the answer to the ${time} cancel, which should be empty,`)
  }
  const got = await signed("GET", `/api/v1/merchant/invoices/${id}`)
  equal(got?.status, "cancelled", "the status of the cancelled invoice")
  matches(got.cancelled, /^\d{4}-/, "when it was cancelled")
  return id
}

// What the checkout page does: open a payment, then let the buyer pick a coin.
async function checkout(id) {
  const payment = await signed("POST", `/api/v1/invoices/${id}/payments`, { refundEmail: "a@b.example" })
  checkPayment(payment, "a@b.example", "POST payments")

  const path = `/api/v1/invoices/${id}/payment-currencies/${LTCT}`
  const picked = await anonymous(path)
  checkWallet(picked, "GET payment-currencies")
  equal((await anonymous(path))?.addresses?.address, picked.addresses.address, "the address, asked for again,")
  const status = await anonymous(`${path}/status`)
  // A coin is picked and nothing is on the chain yet: by the API's list of states still unpaid, by its events pending.
  matches(status?.status, /^(unpaid|pending)$/, "the status after a coin was picked")
  checkStatus(status, "GET status")
}

async function pay(...ids) {
  for (const id of ids) await signed("POST", `/api/v1/sandbox/invoices/${id}/pay`, {})
  for (const id of ids) checkStatus(await reach(id, "paid"), "GET status, paid")
  await signed("POST", "/api/v1/sandbox/mine", { blocks: 3 })
  for (const id of ids) checkStatus(await reach(id, "completed"), "GET status, completed")
}

// The invoice as the merchant sees it afterwards. v1 speaks in minor units, v2 in decimals.
async function readBack(id) {
  const read = async (version) => {
    const what = `GET ${version} invoice`
    const got = await signed("GET", `/api/${version}/merchant/invoices/${id}?include_full_details=true`)
    equal(got?.id, id, `${what}: id`)
    equal(got.invoiceId, number.a, `${what}: invoiceId`)
    equal(got.status, "completed", `${what}: status`)
    matches(got.completed, /^\d{4}-/, `${what}: completed`)
    equal(got.currency?.id, USD, `${what}: currency.id`)
    equal(got.customData, customData, `${what}: customData`)
    matches(got.merchant?.id, /./, `${what}: merchant.id`)
    matches(got.merchant.name, /./, `${what}: merchant.name`)
    equal(got.items?.map(({ name }) => name), ["Café crème ☕", "Thé à la menthe"], `${what}: the items' names`)
    const [payment] = list(got.payments, `${what}: payments`)
    whole(payment?.confirmations, `${what}: confirmations`)
    whole(payment.requiredConfirmations, `${what}: requiredConfirmations`)
    expect(payment.confirmations >= payment.requiredConfirmations, `${what}: completed with too few confirmations`)
    equal(payment.refundEmail, "a@b.example", `${what}: payments[0].refundEmail`)
    return got
  }

  const v1 = await read("v1")
  money(v1.amount, USD, "v1 amount")
  equal(v1.amount.value, "1475", "v1 amount.value")
  money(v1.amount.breakdown?.subtotal, USD, "v1 amount.breakdown.subtotal")
  money(v1.items[0].amount, USD, "v1 items[0].amount")
  equal(v1.items[0].amount.value, "1050", "v1 items[0].amount.value")

  const v2 = await read("v2")
  for (const [what, got, want] of [
    ["v2 amount.total", v2.amount?.total, 14.75],
    ["v2 amount.breakdown.subtotal", v2.amount?.breakdown?.subtotal, 14.75],
    ["v2 items[0].amount", v2.items[0].amount, 10.5],
  ]) {
    matches(got, DECIMAL, what)
    equal(Number(got), want, what)
  }
}

async function find(a, b, started) {
  const invoices = "/api/v1/merchant/invoices"
  const completed = await byCursor(`${invoices}?status=completed&limit=1`)
  expect(completed.includes(a) && completed.includes(b), "the completed invoices, by paging.cursors.after, lack ours")
  equal(await byNext(`${invoices}?status=completed&limit=1`), completed, "the list by paging.next")

  equal(await byCursor(`${invoices}?q=${number.a}`), [a], "the list with q")

  const iso = (milliseconds) => encodeURIComponent(new Date(milliseconds).toISOString())
  const between = (from, to) => byCursor(`${invoices}?from=${iso(from)}&to=${iso(to)}`)
  const now = await between(started - 60_000, Date.now() + 60_000)
  expect(now.includes(a) && now.includes(b), "the list with from and to around now lacks ours")
  const before = await between(started - 2 * HOUR, started - HOUR)
  expect(!before.includes(a) && !before.includes(b), "the list with from and to an hour ago has ours")
}

async function readReports(id) {
  const history = page(await signed("GET", `/api/v2/merchant/invoices/${id}/history`), "GET history").items
  const times = history.map(({ timestamp }) => Date.parse(timestamp))
  expect(times.every((time, i) => i === 0 || time >= times[i - 1]), `the history is not in order: ${show(history)}`)
  const events = ["created", "pending", "paid", "completed"]
  equal(history.map(({ eventType }) => eventType).filter((event) => events.includes(event)), events, "the history")

  const payouts = await signed("GET", `/api/v2/merchant/invoices/${id}/payouts`)
  list(payouts?.items, "GET payouts: items")

  const ip = await anonymous("/api/v1/merchant/clients/ip")
  expect(typeof ip === "string" && isIP(ip), `our IP address is ${show(ip)}`)

  const { flags } = (await signed("GET", "/api/v1/merchant/clients/access-control")) ?? {}
  expect(list(flags, "flags").includes("createInvoice"), `flags are ${show(flags)}, without createInvoice`)

  const required = list(await anonymous("/api/v2/currencies/required-confirmations"), "GET required-confirmations")
  whole(required.find(({ currencyId }) => String(currencyId) === LTCT)?.confirmationsCount, "LTCT's confirmationsCount")

  list(await anonymous("/api/v1/currencies/conversions"), "GET conversions")

  const latest = await anonymous(`/api/v1/currencies/blockchain-nodes/${LTCT}/latest-block-number`)
  equal(String(latest?.currencyId), LTCT, "GET latest-block-number: currencyId")
  whole(latest.latestBlockNumber, "latestBlockNumber")
}

async function main() {
  for (const [name, value] of Object.entries({ BASE_URL, CLIENT_ID, CLIENT_SECRET, HOOK_URL })) {
    expect(value, `${name} is not set`)
  }
  const started = Date.now()
  await lookAround()
  await testConnection()
  const webhook = await registerWebhook()
  const a = await createA()
  const b = await createB()
  const c = await createAndCancelC()
  await checkout(a)
  await pay(a, b)
  await readBack(a)
  await find(a, b, started)
  await readReports(a)
  console.log(JSON.stringify({ completed: [a, b], cancelled: [c], webhook, currency: LTCT }))
}

try {
  await main()
} catch (error) {
  console.error(`sender: ${error.message}`)
  process.exitCode = 1
}
