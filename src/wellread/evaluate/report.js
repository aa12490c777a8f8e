"use strict";
// The samples of a report: searched and filtered here, fifty at a time. Texts are set as text, never as markup.
const samples = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("list");
const told = document.getElementById("told");
const search = document.getElementById("search");
const outcome = document.getElementById("outcome");
const task = document.getElementById("task");
const more = document.getElementById("more");
const PAGE = 50;
let found = [];
let shown = 0;

const KINDS = {
  all: () => true,
  right: (one) => one.right !== null && one.right >= 0.5,
  wrong: (one) => one.right !== null && one.right < 0.5,
  refused: (one) => one.refused === true,
  error: (one) => one.error !== null,
  unjudged: (one) => one.right === null,
};

function element(tag, kind, text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function mark(one) {
  if (one.error !== null) return ["wrong", "failed"];
  if (one.refused) return [one.right === null ? "none" : one.right >= 0.5 ? "right" : "wrong", "refused"];
  if (one.right === null) return ["none", "–"];
  if (one.right === 1) return ["right", "right"];
  return one.right === 0 ? ["wrong", "wrong"] : [one.right >= 0.5 ? "right" : "wrong", one.right.toFixed(2)];
}

function body(one) {
  const parts = element("dl", "body");
  const add = (name, text) => {
    if (text === null || text === undefined || text === "") return;
    const value = element("dd");
    value.append(element("pre", "", String(text)));
    parts.append(element("dt", "", name), value);
  };
  add("Error", one.error);
  add("Answer", one.answer);
  for (const [name, text] of Object.entries(one.extracted)) if (text !== one.answer) add(`Taken out of it (${name})`, text);
  add("Counts as right", one.answerable === false ? "a refusal: this has no answer" : one.golds.join("\n"));
  add("Choices", one.choices.join("\n"));
  add("Prompt", one.prompt);
  add("Scores", Object.entries(one.scores).map(([name, value]) => `${name} ${value === null ? "not judged" : +value.toFixed(3)}`).join("\n"));
  add("Confidence", one.confidence === null ? null : one.confidence.toFixed(3));
  if (Object.keys(one.more).length) add("More", JSON.stringify(one.more, null, 1));
  return parts;
}

function heading(one) {
  const asked = one.question.trim();
  const text = asked.length > 300 ? asked.split(/\n\s*\n/).pop() : asked;  // what stands before is context
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line && !/^(answer|a):$/i.test(line));
  const whole = lines.join(" ");
  return (whole.length > 300 && lines.findLast((line) => /^(question|q):/i.test(line))) || whole || one.id;
}

function row(one) {
  const made = element("details");
  const head = element("summary");
  const [kind, text] = mark(one);
  head.append(element("span", `mark ${kind}`, text), element("span", "question", heading(one)));
  head.append(element("span", "said", one.answer.trim().split("\n").pop()));
  made.append(head);
  made.addEventListener("toggle", () => { if (made.open && made.childElementCount === 1) made.append(body(one)); });
  return made;
}

function next() {
  list.append(...found.slice(shown, shown + PAGE).map(row));
  shown = Math.min(found.length, shown + PAGE);
  more.hidden = shown >= found.length;
  told.textContent = `${found.length.toLocaleString()} of ${samples.length.toLocaleString()} items`;
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  found = samples.filter((one) => KINDS[outcome.value](one) && (task.value === "" || one.task === task.value)
    && words.every((word) => one.text.includes(word)));
  list.replaceChildren();
  shown = 0;
  next();
}

for (const one of samples) {
  one.text = [one.id, one.category, one.prompt, one.answer, ...one.golds, ...one.choices, one.error ?? ""].join("\n").toLowerCase();
}
for (const control of [search, outcome, task]) control.addEventListener("input", filter);
more.addEventListener("click", next);
filter();
