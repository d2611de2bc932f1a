// What the dashboard does in the browser. Every page is whole without it.
"use strict";

// Times are shown in the viewer's zone; the rest of the page is the server's.
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const gone = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(at) {
	const seconds = (at - Date.now()) / 1000;
	const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) || ["second", 1];
	return gone.format(Math.trunc(seconds / length), unit);
}

function showTimes(root) {
	for (const time of root.querySelectorAll("time[datetime]")) {
		const at = new Date(time.dateTime);
		const text = "ago" in time.dataset ? ago(at) : clock.format(at);
		if (time.textContent !== text) time.textContent = text;
		if (!time.title) time.title = clock.format(at);
	}
}
setInterval(() => showTimes(document), 10000);

// Copy buttons are there only where they can work.
const said = document.getElementById("said");
document.addEventListener("click", async (event) => {
	const button = event.target.closest("[data-copy]");
	if (!button) return;
	try {
		await navigator.clipboard.writeText(button.dataset.copy);
	} catch {
		const text = button.parentElement.querySelector("code, pre, input");
		if (text) getSelection().selectAllChildren(text);
		return;
	}
	button.classList.add("done");
	if (said) said.textContent = "Copied";
	setTimeout(() => { button.classList.remove("done"); if (said) said.textContent = ""; }, 1500);
});

// A pop-up is a page of its own address, shown over the page it belongs to.
function showDialogs() {
	for (const dialog of document.querySelectorAll("dialog[data-modal]")) {
		if (dialog.matches(":modal")) continue;
		dialog.close();
		dialog.showModal();
		dialog.addEventListener("cancel", (event) => {
			event.preventDefault();
			location.href = dialog.dataset.modal;
		});
	}
}

// Asks before what cannot be undone, and sends a form once: a second click while
// the answer is on its way is none.
const sent = new Set();
addEventListener("pageshow", () => sent.clear());
document.addEventListener("submit", (event) => {
	const form = event.target;
	const text = event.submitter?.dataset.confirm || form.dataset.confirm;
	if (form.method === "post" && sent.has(form) || text && !confirm(text)) event.preventDefault();
	else sent.add(form);
});

// Forms of one choice are sent when it is made.
document.addEventListener("change", (event) => {
	const form = event.target.closest("form[data-auto]");
	if (form) form.requestSubmit();
});

// A drop-down closes when the eye moves on, and says what is chosen in it.
document.addEventListener("click", (event) => {
	for (const menu of document.querySelectorAll("details.drop[open]")) {
		if (!menu.contains(event.target)) menu.open = false;
	}
});
document.addEventListener("keydown", (event) => {
	const menu = event.target.closest?.("details.drop[open]");
	if (event.key === "Escape" && menu) {
		event.preventDefault();
		event.stopPropagation();
		menu.open = false;
		menu.querySelector("summary").focus();
	}
});
function sayChosen(menu) {
	const out = menu.querySelector("[data-chosen]");
	if (!out) return;
	const names = [...menu.querySelectorAll("input:checked")].map((box) => box.closest("label").querySelector("span").textContent);
	out.textContent = names.length === 0 ? out.dataset.chosen : names.length <= 2 ? names.join(", ") : `${names.length} chosen`;
}
document.addEventListener("change", (event) => {
	const menu = event.target.closest("details.drop");
	if (menu) sayChosen(menu);
});

// Moments in forms are UTC in the address and the viewer's own on the screen.
const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
for (const input of document.querySelectorAll("input[type=datetime-local][data-utc]")) {
	if (input.value) input.value = local(Date.parse(input.value + "Z"));
	const zone = input.closest("label")?.querySelector("[data-zone]");
	if (zone) zone.textContent = "(your time)";
	input.form?.addEventListener("formdata", (event) => {
		const at = new Date(input.value);
		if (input.name && !isNaN(at)) event.formData.set(input.name, at.toISOString().slice(0, 16));
	});
}

// The total of a new invoice, while it is typed. The server counts it anyway.
function sumUp(form) {
	const box = form.querySelector("[data-sum]");
	const select = form.querySelector("select[name=currency]");
	if (!box || !select) return;
	const all = (name) => [...form.querySelectorAll(`input[name=${name}]`)].map((field) => Number(field.value.trim() || 0));
	const [quantities, prices] = [all("quantity"), all("price")];
	const sum = prices.reduce((total, price, i) => total + price * (quantities[i] || 1), 0) + all("shipping")[0] + all("tax")[0] - all("discount")[0];
	const { symbol, digits } = select.selectedOptions[0].dataset;
	const line = box.querySelector(".sum");
	line.hidden = !(sum > 0);
	line.querySelector("output").textContent = line.hidden ? "" : sum.toLocaleString("en", { minimumFractionDigits: +digits, maximumFractionDigits: +digits }) + " " + symbol;
}
document.addEventListener("input", (event) => { if (event.target.form?.matches(".new-invoice")) sumUp(event.target.form); });

function dress(root) {
	showTimes(root);
	for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
	for (const menu of root.querySelectorAll("details.drop")) sayChosen(menu);
}

// The live part of a page is sent again whenever it changes.
function live() {
	let source;
	const open = () => {
		source = new EventSource(location.href);
		source.onmessage = (event) => {
			const pieces = document.createElement("template");
			pieces.innerHTML = event.data;
			dress(pieces.content);
			for (const piece of [...pieces.content.children]) {
				const old = document.getElementById(piece.id);
				if (old) Idiomorph.morph(old, piece, {
					morphStyle: "outerHTML", ignoreActiveValue: true,
					callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node.matches("details")) },
				});
			}
		};
	};
	open();
	// A tab that nobody looks at gives its connection back: browsers have six for each
	// server.
	addEventListener("pagehide", () => source.close());
	addEventListener("pageshow", (event) => { if (event.persisted) open(); });
	document.addEventListener("visibilitychange", () => {
		source.close();
		if (!document.hidden) open();
	});
}

dress(document);
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); // on a phone
showDialogs();
document.querySelector("form[data-send]")?.requestSubmit();
if (document.body.hasAttribute("data-live")) live();
