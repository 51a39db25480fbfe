// What a page can do beside being read: unfold, filter by rank and path, copy a command. Without it all is readable.
(() => {
  "use strict";

  function made(name, attributes, text) {
    const found = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    found.textContent = text || "";
    return found;
  }

  function tools(lanes) {
    const rows = [...lanes.querySelectorAll("li.row")];
    const operations = rows.filter((row) => row.dataset.rank !== undefined);
    const folds = [...lanes.querySelectorAll("details")];
    const ranks = [...new Set(operations.map((row) => row.dataset.rank))].sort((a, b) => a - b);
    const bar = made("div", { class: "tools" });
    const unfold = made("button", { type: "button" }, "Unfold all");
    const rank = made("select", { "aria-label": "Show the operations of" });
    rank.append(made("option", { value: "" }, "all ranks"));
    for (const each of ranks) rank.append(made("option", { value: each }, "rank " + each));
    const path = made("input", { type: "search", placeholder: "path, call or line", "aria-label": "Show operations with" });
    const count = made("output", {});
    let open = folds.map((fold) => fold.open);

    function apply() {
      const text = path.value.trim().toLowerCase();
      const filtered = rank.value !== "" || text !== "";
      let shown = 0;
      for (const row of rows) {
        const mine = rank.value === "" || row.dataset.rank === rank.value;
        const matches = !filtered || (row.dataset.rank !== undefined && mine && row.textContent.toLowerCase().includes(text));
        row.hidden = !matches;
        shown += matches && row.dataset.rank !== undefined ? 1 : 0;
      }
      folds.forEach((fold, number) => {
        const some = !filtered || fold.querySelector("li.row:not([hidden])") !== null;
        fold.parentElement.hidden = !some;
        fold.open = filtered ? some : open[number];
      });
      count.textContent = filtered ? `${shown} of ${operations.length} rows` : "";
    }

    unfold.addEventListener("click", () => {
      const all = folds.some((fold) => !fold.open);
      open = folds.map(() => all);
      folds.forEach((fold) => { fold.open = all; });
      unfold.textContent = all ? "Fold again" : "Unfold all";
    });
    rank.addEventListener("change", apply);
    path.addEventListener("input", apply);
    if (folds.length) bar.append(unfold);
    if (ranks.length > 1) bar.append(rank);
    bar.append(path, count);
    lanes.prepend(bar);
  }

  async function copy(code, button) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      // Where the clipboard is not given, the text is marked: Ctrl-C takes it.
      getSelection().selectAllChildren(code);
      button.textContent = "Marked";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  document.querySelectorAll(".lanes").forEach(tools);
  document.querySelectorAll("code.command").forEach((code) => {
    const button = made("button", { type: "button", class: "copy" }, "Copy");
    button.addEventListener("click", () => copy(code, button));
    code.after(" ", button);
  });
})();
