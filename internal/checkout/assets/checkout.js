// The buyer's page is whole without this. With it, the page tells times in the zone
// of who reads it, copies what has to be copied, and stays true by itself.
"use strict";
(() => {
	// Time runs out by the server's clock, not by that of this machine.
	const ahead = Date.parse(document.querySelector('meta[name="now"]').content) - Date.now();
	const language = [...navigator.languages.filter((l) => /^en\b/i.test(l)), "en-GB"]; // of the page; whether noon is 12 or 12 PM is the reader's
	const clock = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
	const zoned = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZoneName: "short" });
	const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long" });
	const year = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });

	function moment(at, how) {
		if (how === "full") return year.format(at) + ", " + zoned.format(at);
		return (at.toDateString() === new Date().toDateString() ? "" : day.format(at) + ", ") + clock.format(at);
	}

	// As the server says it, and to the second in the end.
	function left(ms) {
		const s = Math.max(0, Math.floor(ms / 1000)), min = Math.floor(s / 60), h = Math.floor(min / 60);
		if (min < 10) return min + ":" + String(s % 60).padStart(2, "0");
		if (h >= 48) return Math.floor(h / 24) + " days";
		if (h === 0) return min + " min";
		if (min % 60) return h + " h " + (min % 60) + " min";
		return h === 1 ? "1 hour" : h + " hours";
	}

	function tick(root) {
		for (const t of root.querySelectorAll("time[data-left]")) {
			const text = left(Date.parse(t.dateTime) - Date.now() - ahead);
			if (t.textContent !== text) t.textContent = text;
		}
	}

	function prepare(root) {
		for (const t of root.querySelectorAll("time[data-at]")) t.textContent = moment(new Date(t.dateTime), t.dataset.at);
		tick(root);
	}

	document.documentElement.classList.add("scripted");
	prepare(document);
	setInterval(() => tick(document), 1000);

	// Copying. Browsers let only pages of https and localhost write to the clipboard;
	// elsewhere the old way is tried, which leaves the text selected.
	const told = document.querySelector(".told");
	let forget;

	async function copy(from) {
		const text = from.querySelector(".copy") ?? from;
		try {
			await navigator.clipboard.writeText(text.textContent.trim());
			return true;
		} catch {
			getSelection().selectAllChildren(text);
			return document.execCommand("copy");
		}
	}

	document.addEventListener("click", async (e) => {
		const button = e.target.closest("button.copier");
		if (!button) return;
		const done = await copy(button.previousElementSibling);
		const what = button.dataset.what[0].toUpperCase() + button.dataset.what.slice(1);
		clearTimeout(forget);
		for (const other of document.querySelectorAll(".copier[data-done]")) delete other.dataset.done;
		if (done) button.dataset.done = "";
		told.textContent = done ? what + " copied" : what + " selected: copy it now";
		forget = setTimeout(() => {
			delete button.dataset.done;
			told.textContent = "";
		}, 2500);
	});

	// Staying true.
	if (!document.querySelector("main[data-live]")) return;
	const lost = document.querySelector(".lost");
	let losing;

	function connected(yes, patience = 0) {
		if (yes) {
			clearTimeout(losing);
			losing = undefined;
			lost.hidden = true;
		} else {
			losing ??= setTimeout(() => { lost.hidden = false; }, patience);
		}
	}

	function show(html) {
		const box = document.createElement("template");
		box.innerHTML = html;
		const fresh = box.content.querySelector("main[data-live]");
		if (!fresh) return;
		prepare(fresh);
		document.title = fresh.dataset.title;
		Idiomorph.morph(document.querySelector("main"), fresh, {
			callbacks: { beforeNodeMorphed: (was) => !(was instanceof HTMLInputElement) }, // what somebody is writing stays
		});
	}

	function listen() {
		const source = new EventSource(location.href);
		source.onmessage = (e) => {
			connected(true);
			show(e.data);
		};
		source.onerror = () => {
			if (source.readyState === EventSource.CLOSED) setTimeout(look, 15000 + Math.random() * 10000);
			else connected(false, 8000); // the browser tries again
		};
	}

	// look is for when there is no stream: too many have one, or something between
	// does not let it through.
	async function look() {
		const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
		const html = answer?.ok ? await answer.text().catch(() => "") : "";
		connected(html !== "");
		if (html) show(html);
		listen();
	}

	listen();
})();
