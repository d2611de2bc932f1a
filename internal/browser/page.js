// What the tests do in a page. It is put before each expression, and stays as it
// was when it is there already.
globalThis.paybell ??= {
	patience: 12000,

	// until resolves true as soon as a condition holds, false when it takes too long.
	until(holds) {
		return new Promise((resolve) => {
			let timer;
			const look = () => {
				let is = false;
				try { is = Boolean(holds()); } catch { /* not there yet */ }
				if (is) end(true);
			};
			const observer = new MutationObserver(look);
			const end = (v) => { observer.disconnect(); clearTimeout(timer); clearInterval(again); resolve(v); };
			const again = setInterval(look, 50); // what is seen may change without the tree
			timer = setTimeout(() => end(false), this.patience);
			observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
			look();
		});
	},

	plain: (text) => (text ?? "").replace(/\s+/g, " ").trim(),

	reads(text) { return this.plain(document.body.innerText).toLowerCase().includes(this.plain(text).toLowerCase()); },

	visible: (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0,

	// says is what people hear or read of a control.
	says(e) { return this.plain(e.getAttribute("aria-label") || e.innerText || e.textContent || e.value); },

	// control is a button, link or label that says a text: exactly, else at its
	// beginning. What is in an open pop-up goes first.
	control(text) {
		const root = document.querySelector("dialog:modal") || document;
		const all = [...root.querySelectorAll("button, a[href], summary, label, [role=button]")].filter(this.visible);
		return all.find((e) => this.says(e) === text) || all.find((e) => this.says(e).startsWith(text));
	},

	// at is the middle of what find finds, once it is there and at rest.
	async at(find) {
		if (!await this.until(() => find())) return [];
		const e = find();
		e.scrollIntoView({ block: "center", behavior: "instant" });
		await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
		const box = (find() || e).getBoundingClientRect();
		return [box.x + box.width / 2, box.y + box.height / 2];
	},

	field(label) {
		const root = document.querySelector("dialog:modal") || document;
		for (const l of root.querySelectorAll("label")) {
			const name = this.plain(l.querySelector("span")?.textContent || l.textContent);
			const input = l.control || l.querySelector("input, select, textarea");
			if (input && this.visible(input) && (name === label || name.startsWith(label))) return input;
		}
		return root.querySelector(`[aria-label="${CSS.escape(label)}"]`);
	},

	focus(label) {
		const f = this.field(label);
		if (!f) return false;
		f.focus();
		f.select?.();
		return document.activeElement === f;
	},

	// copied is what the first copy button after a word would copy.
	copied(near) {
		const all = [...document.querySelectorAll("[data-copy]")];
		const words = document.evaluate(`//*[text()[contains(., ${JSON.stringify(near)})]]`, document.body, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
		for (let i = 0; i < words.snapshotLength; i++) {
			const after = all.find((b) => words.snapshotItem(i).compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING);
			if (after) return after.dataset.copy;
		}
		return "";
	},

	async sound() {
		const found = await axe.run(document, { resultTypes: ["violations"] });
		return found.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
			.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html + " " + (n.any[0]?.message ?? "")).join(" | ")}`);
	},
};
