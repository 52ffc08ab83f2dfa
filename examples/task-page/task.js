"use strict";
// The page's address goes in, the worker's data comes from the door of crowdops, and what they write goes back there.

const query = new URLSearchParams(location.search);
const door = (query.get("api") || location.origin).replace(/\/+$/, "") + "/api/v1/agents";
const submission = query.get("SESSION_ID") || "";
const code = document.querySelector("meta[name=completion-code]").content;
const draft = `draft ${submission}`;
const at = (id) => document.getElementById(id);

const HINTS = {
  unknown: "This may take a moment after you have started. Wait a little, and try again.",
  over: "If you have handed in your work already, there is nothing left to do.",
  conflict: "Please finish this submission at the site that sent you here, if you have not done so yet.",
  wrong_token: "Please copy what you have written, and open this page again from the site that sent you here.",
  second_unit: "Please return this submission at the site that sent you here, so that somebody else may have it.",
  malformed: "Please change what you have written, and hand it in again.",
  too_large: "Please shorten what you have written, and hand it in again.",
};
const ENDS = ["over", "conflict", "second_unit"];
const ASK = "Please open the study again from the site that sent you here. If this comes back, write to the researcher.";

// Milliseconds for an answer, longer than the door takes; and the most seconds that a worker is asked to wait.
const PATIENCE = 30000;
const LONGEST = 30;

class Refusal extends Error {
  constructor(status, name, detail, seconds, redirect) {
    super(detail);
    const passing = status === 0 || status >= 500 || name === "unknown";
    Object.assign(this, { name, passing, seconds: Math.min(seconds, LONGEST), redirect });
  }
}

async function post(path, body, isAnswer) {
  let answer, told;
  try {
    answer = await fetch(door + path, {
      method: "POST",
      headers: { "Authorization": `Bearer ${query.get("key")}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout?.(PATIENCE),
    });
    told = parsed(await answer.text());
  } catch {
    throw new Refusal(0, "silent", "The server of this task cannot be reached at the moment.", 5);
  }
  if (answer.ok && isAnswer(told)) return told;
  if (answer.ok) throw new Refusal(0, "unreadable", "The server of this task gave an answer that cannot be read.", 5);
  const detail = told.detail || `The server of this task answered ${answer.status}.`;
  throw new Refusal(answer.status, told.error, detail, Number(answer.headers.get("Retry-After")) || 3, told.redirect);
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

const isPlace = (value) => value === null || typeof value === "string";
const isTaken = (told) => isPlace(told.redirect);
const isWork = (told) => typeof told.id === "string" && typeof told.token === "string"
  && told.data !== null && typeof told.data === "object" && typeof told.submitted === "boolean" && isPlace(told.redirect);

// What is written is kept for a reload where the browser allows that; where it keeps nothing, the task goes on without.
function stored(act) {
  try {
    return act(sessionStorage);
  } catch {
    return null;
  }
}

async function arrive() {
  say("Getting your photograph …");
  const wish = { provider: "prolific", account: query.get("account"), run: query.get("run") };
  const agent = await post("", { ...wish, submission, worker: query.get("PROLIFIC_PID") }, isWork);
  if (agent.submitted) {
    done(agent.redirect);
    return;
  }
  say("");
  show(agent.data);
  const work = { began: performance.now() };
  at("task").onsubmit = (event) => {
    event.preventDefault();
    attempt(() => submit(agent, work), "Your work is not handed in yet");
  };
}

async function submit(agent, work) {
  say("Handing in …");
  at("send").disabled = true;
  // Whether an attempt without an answer counted is unknown: the next one must say the same, or it is a conflict.
  work.seconds ??= Math.round((performance.now() - work.began) / 1000);
  const data = { text: at("text").value.trim(), seconds: work.seconds };
  try {
    done((await post(`/${agent.id}/submit`, { token: agent.token, code, data }, isTaken)).redirect);
  } finally {
    at("send").disabled = false;
  }
}

function done(redirect) {
  stored((kept) => kept.removeItem(draft));
  at("task").hidden = true;
  say("Thank you! Your description has been handed in.");
  go(redirect);
}

function go(redirect) {
  if (isSafe(redirect)) location.assign(redirect);
}

function isSafe(redirect) {
  return typeof redirect === "string" && /^https:\/\//i.test(redirect);
}

function show(data) {
  for (const [name, value] of Object.entries(data)) {
    if (/^https?:\S+\.(avif|gif|jpe?g|png|svg|webp)$/i.test(value)) at("pictures").append(picture(value));
    else if (name !== "minimum_words" && !/(^|_)id$/.test(name)) field(name, value);
  }
  at("fields").hidden = !at("fields").children.length;
  at("text").value = stored((kept) => kept.getItem(draft)) || "";
  at("text").oninput = () => count(data.minimum_words);
  count(data.minimum_words);
  at("task").hidden = false;
}

function picture(address) {
  const image = Object.assign(new Image(), { src: address, alt: "The photograph to describe" });
  image.onerror = () => {
    const told = Object.assign(document.createElement("p"), { className: "missing" });
    told.textContent = "The photograph cannot be shown. Please reload the page.";
    image.replaceWith(told);
  };
  return image;
}

function field(name, value) {
  const words = name.replaceAll("_", " ");
  const [term, described] = ["dt", "dd"].map((kind) => document.createElement(kind));
  term.textContent = words[0].toUpperCase() + words.slice(1);
  described.textContent = typeof value === "object" ? JSON.stringify(value) : value;
  at("fields").append(term, described);
}

function count(minimum) {
  const text = at("text").value;
  stored((kept) => kept.setItem(draft, text));
  const words = text.split(/\s+/).filter(Boolean).length;
  const lacking = Math.max(0, (Number(minimum) || 0) - words);
  at("count").textContent = `${words} ${words === 1 ? "word" : "words"}` + (lacking ? `, ${lacking} more are needed` : "");
  at("text").setCustomValidity(lacking ? `Please write at least ${minimum} words.` : "");
}

function say(words) {
  at("progress").textContent = words;
  at("progress").hidden = !words;
}

async function attempt(what, title) {
  at("trouble").hidden = true;
  try {
    await what();
  } catch (error) {
    console.error(error);
    trouble(title, error, () => attempt(what, title));
  }
}

function trouble(title, error, again) {
  say("");
  clearTimeout(wait.timer);
  const ended = ENDS.includes(error.name);
  if (ended) at("task").hidden = true;
  at("trouble-title").textContent = ended ? "There is nothing to do here" : title;
  at("trouble-detail").textContent = error.message;
  at("trouble-hint").textContent = HINTS[error.name] || (error.passing ? "Nothing of yours is lost." : ASK);
  at("again").hidden = !error.passing;
  at("trouble").hidden = false;
  at("trouble").focus();
  if (error.passing) wait(error.seconds, again);
  else if (isSafe(error.redirect)) finish(error.redirect);
}

function finish(redirect) {
  Object.assign(at("again"), { hidden: false, disabled: false, textContent: "Finish", onclick: () => go(redirect) });
}

function wait(seconds, again) {
  clearTimeout(wait.timer);
  const button = at("again");
  button.onclick = again;
  button.disabled = seconds > 0;
  button.textContent = seconds > 0 ? `Try again in ${seconds} s` : "Try again";
  if (seconds > 0) wait.timer = setTimeout(wait, 1000, seconds - 1, again);
}

const lacks = ["account", "run", "key", "PROLIFIC_PID", "SESSION_ID"].filter((name) => !query.get(name));
if (lacks.length) trouble("This page is opened by a study", new Error(`Its address lacks ${lacks.join(", ")}.`));
else attempt(arrive, "Your photograph is not here yet");
