// A shop's webhook receiver, written from the CoinPayments API and the Standard Webhooks specification alone.
//
//   PORT=9000 HOOK_URL=http://127.0.0.1:9000/hook CLIENT_ID=… CLIENT_SECRET=… LOG=hooks.jsonl node receiver.mjs
//
// Every notification is verified, checked, and written to LOG as one line of JSON before it is answered: 204 when it is
// ours now, 401 when it is not from whom it says, 400 when we do not understand it.
import { createHmac, timingSafeEqual } from "node:crypto"
import { appendFileSync } from "node:fs"
import { createServer } from "node:http"

const { PORT, HOOK_URL, CLIENT_ID, CLIENT_SECRET, LOG, FAIL_FIRST } = process.env
const MAX_AGE = Number(process.env.MAX_AGE || 300) // seconds; 0 lets any age pass
const MAX_BODY = 1 << 20

for (const [name, value] of Object.entries({ PORT, HOOK_URL, CLIENT_ID, CLIENT_SECRET, LOG })) {
  if (!value) throw new Error(`${name} is not set`)
}

class Refusal extends Error {
  constructor(status, reason) {
    super(reason)
    this.status = status
  }
}

const distrust = (reason) => { throw new Refusal(401, reason) }
const reject = (reason) => { throw new Refusal(400, reason) }

const hmac = (key, ...parts) => {
  const mac = createHmac("sha256", key)
  for (const part of parts) mac.update(part)
  return mac.digest("base64")
}

// The comparison takes the same time wherever the two differ, so that nobody can guess a signature byte by byte.
const same = (a, b) => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

const tooOld = (milliseconds) => MAX_AGE > 0 && Math.abs(Date.now() - milliseconds) > MAX_AGE * 1000

// HTTP does not mind how a header's name is spelled, but some frameworks do.
function headersOf(req, names) {
  const onTheWire = req.rawHeaders.filter((_, i) => i % 2 === 0)
  return names.map((name) => {
    const value = req.headers[name.toLowerCase()] || distrust(`missing header ${name}`)
    if (!onTheWire.includes(name)) distrust(`header ${name} is spelled in another way`)
    return value
  })
}

// The signature of the CoinPayments API. The URL is the one that we registered, not one put together from the request:
// behind a proxy, or in a framework that sorts the query, that would be another. The body is the bytes as they came.
function verifyCoinPayments(req, body) {
  const [client, timestamp, signature] =
    headersOf(req, ["X-CoinPayments-Client", "X-CoinPayments-Timestamp", "X-CoinPayments-Signature"])
  if (client !== CLIENT_ID) distrust("another client's notification")
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(timestamp)) distrust("malformed timestamp")
  const sent = Date.parse(timestamp + "Z") // without the Z it would be taken for local time
  if (Number.isNaN(sent)) distrust("malformed timestamp")
  if (tooOld(sent)) distrust("timestamp too far from now")
  // "\ufeff" are the bytes EF BB BF. The secret looks like base64, but the key is its text.
  const wanted = hmac(CLIENT_SECRET, "\ufeff", "POST", HOOK_URL, client, timestamp, body)
  if (!same(signature, wanted)) distrust("bad signature")
}

// The signature of Standard Webhooks, from the same secret: here the key is what the base64 stands for. There may be
// several signatures, of which one must fit.
function verifyStandardWebhooks(req, body) {
  const [id, timestamp, signatures] = headersOf(req, ["webhook-id", "webhook-timestamp", "webhook-signature"])
  if (!/^\d+$/.test(timestamp)) distrust("malformed webhook-timestamp")
  if (tooOld(Number(timestamp) * 1000)) distrust("webhook-timestamp too far from now")
  const wanted = "v1," + hmac(Buffer.from(CLIENT_SECRET, "base64"), `${id}.${timestamp}.`, body)
  if (!signatures.split(" ").some((signature) => same(signature, wanted))) distrust("bad webhook-signature")
}

const PASCAL_CASE = /^[A-Z][a-z]+([A-Z][a-z]+)*$/
const EVENT_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}\+00:00$/
const uuidOf = (hex) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

function checkEvent(event) {
  if (event === null) reject("the body is not a JSON object")
  for (const key of ["id", "type", "timestamp", "invoice"]) if (!event[key]) reject(`no ${key} in the envelope`)
  if (!/^[0-9a-f]{32}$/.test(event.id)) reject("id is not 32 hexadecimal digits")
  if (!PASCAL_CASE.test(event.type)) reject("type is not in PascalCase")
  if (!EVENT_TIME.test(event.timestamp)) reject("timestamp is not in UTC with 7 decimals")

  const { invoice } = event
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(invoice.id)) reject("invoice.id is not a UUID")
  if (invoice.merchantClientId !== uuidOf(CLIENT_ID)) reject("invoice.merchantClientId is not our client id as a UUID")
  if (!PASCAL_CASE.test(invoice.state)) reject("invoice.state is not in PascalCase")
  // Cents, not euros: who books 1050 for 10.50 has a bad day.
  if (!Number.isSafeInteger(invoice.amount?.total)) reject("invoice.amount.total is not an integer of minor units")
  // Seconds of this century; milliseconds would be far beyond.
  if (!Number.isInteger(invoice.createdAt) || invoice.createdAt <= 946684800 || invoice.createdAt > 4102444800) {
    reject("invoice.createdAt is not in unix seconds")
  }
}

function parse(body) {
  try {
    const value = JSON.parse(body)
    return typeof value === "object" ? value : null
  } catch {
    return null
  }
}

const failedOnce = new Set() // notification ids

function receive(req, body, event) {
  verifyCoinPayments(req, body)
  verifyStandardWebhooks(req, body)
  checkEvent(event)
  if (req.headers["webhook-id"] !== event.id) distrust("webhook-id is not the notification's id")
  // A shop whose database is down for a moment: the notification must come again.
  if (event.type === FAIL_FIRST && !failedOnce.has(event.id)) {
    failedOnce.add(event.id)
    throw new Refusal(500, "failed on purpose")
  }
}

async function bodyOf(req) {
  const chunks = []
  let size = 0
  for await (const chunk of req) {
    size += chunk.length
    if (size > MAX_BODY) throw new Error("the body is too large")
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function handle(req, res) {
  if (req.method === "GET" && req.url === "/") return res.end("ready")
  if (req.method !== "POST") return res.writeHead(405).end()

  const body = await bodyOf(req)
  const event = parse(body)
  let status = 204
  let reason = ""
  try {
    receive(req, body, event)
  } catch (error) {
    status = error.status ?? 500
    reason = error.message
  }
  // First keep it, then say so: after a 2xx nobody sends it again.
  const invoice = event?.invoice
  appendFileSync(LOG, JSON.stringify({
    accepted: status === 204, status, reason,
    id: event?.id ?? null, type: event?.type ?? null,
    invoice: invoice?.id ?? null, number: invoice?.invoiceId ?? null, state: invoice?.state ?? null,
    total: invoice?.amount?.total ?? null,
    timestamp: req.headers["x-coinpayments-timestamp"] ?? null,
    sequence: req.headers["paybell-sequence"] ?? null,
    customData: invoice?.customData ?? null,
  }) + "\n")
  res.writeHead(status).end(reason)
}

// What cannot be read to its end, or not be logged, gets no answer, and so comes again.
createServer((req, res) => handle(req, res).catch((error) => {
  console.error(`receiver: ${error.message}`)
  res.destroy()
})).listen(Number(PORT), "127.0.0.1", () => console.log(`receiver: http://127.0.0.1:${PORT}/`))
