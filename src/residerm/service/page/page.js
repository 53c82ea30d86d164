// The page: files in, answers shown. Nothing is stored: all of it is gone when the page is closed.
"use strict";

const RETRIES = 4;
const TOGETHER = 2; // requests at once, so that a page never fills the service's queue by itself
const find = (selector, within = document) => within.querySelector(selector);
const state = { model: null, token: "", waiting: [], running: 0 };

// --- small things ---

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

// Nothing is certain and nothing impossible: 0.9996 and 0.0001 are not shown as 100 % and 0 %.
function percent(share) {
  if (share > 0.995) return "> 99 %";
  if (share < 0.005) return "< 1 %";
  return `${Math.round(share * 100)} %`;
}

function nameOf(label) {
  const known = state.model?.classes.find((one) => one.label === label);
  return known ? known.name : label;
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

function announce(text) {
  find("#announce").textContent = text;
}

// --- the service ---

class Refused extends Error {
  constructor(problem, status, retryAfter = 0) {
    super(problem.detail);
    Object.assign(this, { title: problem.title, status, retryAfter });
  }
}

const away = () =>
  new Refused({ title: "The service does not respond", detail: "Check that it is running, and try again." }, 0);

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  let reply;
  try {
    reply = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch {
    setState("away", "Not reachable");
    throw away();
  }
  if (reply.ok) return reply.json();
  let problem = { title: "The service failed", detail: `It answered ${reply.status}.` };
  try {
    problem = { ...problem, ...(await reply.json()) };
  } catch {} // an answer of something in between, which is no problem document
  throw new Refused(problem, reply.status, Number(reply.headers.get("Retry-After")) || 0);
}

async function ask(file, label, waiting) {
  const path = state.model?.explains ? "/v1/explain" : "/v1/predict";
  const query = label ? `?class=${encodeURIComponent(label)}` : "";
  for (let attempt = 0; ; attempt += 1) {
    try {
      const form = new FormData();
      form.append("images", file, file.name || "image");
      return await request(path + query, { method: "POST", body: form });
    } catch (error) {
      if (!error.retryAfter || attempt >= RETRIES) throw error;
      waiting(error);
      await pause(error.retryAfter + Math.random());
    }
  }
}

function setState(kind, text) {
  find("#state").className = `state ${kind}`;
  find("#state-text").textContent = text;
}

async function connect() {
  try {
    state.model = await request("/v1/model");
    showModel(state.model);
    find("#access").hidden = true;
    find("#drop").hidden = false;
    setState("ready", "Ready");
  } catch (error) {
    if (error.status === 401) askForToken();
    else setState("away", error.title);
  }
}

function askForToken() {
  find("#token-note").textContent = state.token
    ? "That token was refused. Please try again."
    : "It is kept in this page until you close it.";
  find("#access").hidden = false;
  find("#drop").hidden = true;
  setState("", "Token required");
  find("#token").focus();
}

function showModel({ model, description, warnings, limits, trust }) {
  const drawn = model.synthetic ? " (synthetic images)" : "";
  find("#model-line").textContent = `residerm · ${model.name}, trained on ${model.trained_on}${drawn}`;
  const { megabytes, megapixels } = limits;
  find("#limits").textContent = `JPEG, PNG, TIFF, WebP or DICOM, up to ${megabytes}\u00a0MB and ${megapixels} megapixels each.`;
  find("#warnings").replaceChildren(...warnings.map((text) => make("li", text)));
  const facts = [
    ["Network", model.name],
    ["Trained on", `${model.trained_on}, ${description.trained_on.toLocaleString("en")} images`],
    ["Licence", description.data_licence],
    ["Classes", state.model.classes.map((one) => one.name).join(", ")],
    ["SHA-256", model.sha256, "hash"],
  ];
  find("#facts").replaceChildren(
    ...facts.flatMap(([term, text, kind]) => [make("dt", term), make("dd", text, kind || "")]),
  );
  const said = trust?.limits || [];
  find("#limits-of-trust").hidden = !said.length;
  find("#trust-limits").replaceChildren(...said.map((text) => make("li", text)));
}

// --- images in ---

function add(files) {
  const images = [...files];
  if (!images.length) return;
  find("#empty").hidden = true;
  find("#actions").hidden = false;
  for (const file of images) state.waiting.push(new Card(file));
  announce(images.length === 1 ? "One image added" : `${images.length} images added`);
  work();
}

async function work() {
  while (state.running < TOGETHER && state.waiting.length) {
    const card = state.waiting.shift();
    if (card.removed) continue;
    state.running += 1;
    card.run().finally(() => {
      state.running -= 1;
      work();
    });
  }
}

// --- a card: an image and its answer ---

class Card {
  constructor(file) {
    this.file = file;
    this.removed = false;
    this.root = find("#card").content.firstElementChild.cloneNode(true);
    this.answer = find(".answer", this.root);
    find(".name", this.root).textContent = file.name || "Pasted image";
    find(".remove", this.root).setAttribute("aria-label", `Remove ${file.name || "pasted image"}`);
    find(".remove", this.root).addEventListener("click", () => this.remove());
    this.showPhoto();
    this.listen();
    find("#cards").append(this.root);
  }

  showPhoto() {
    const photo = find(".photo", this.root);
    this.url = URL.createObjectURL(this.file);
    photo.alt = `The image ${this.file.name || "that was pasted"}`;
    photo.addEventListener("load", () => this.place());
    photo.addEventListener("error", () => {
      photo.hidden = true;
      find(".no-preview", this.root).hidden = false;
    }, { once: true });
    photo.src = this.url;
  }

  listen() {
    const slider = find(".opacity", this.root);
    slider.addEventListener("input", () => this.fade());
    find(".of", this.root).addEventListener("change", (event) => this.explain(event.target.value));
  }

  remove() {
    this.removed = true;
    URL.revokeObjectURL(this.url);
    this.root.remove();
    const left = find("#cards").childElementCount;
    find("#empty").hidden = left > 0;
    find("#actions").hidden = left === 0;
    (left ? find("#results") : find("#choose")).focus();
  }

  async run() {
    find(".doing", this.root).textContent = "Analysing";
    this.root.scrollIntoView({ block: "nearest" });
    try {
      const answers = await ask(this.file, "", (error) => this.wait(error));
      const image = answers.images[0];
      if (this.removed) return;
      this.show(image, answers);
      setState("ready", "Ready");
    } catch (error) {
      if (!this.removed) this.fail(error);
    }
    this.answer.setAttribute("aria-busy", "false");
  }

  wait(error) {
    find(".doing", this.root).textContent = `${error.title}; trying again`;
  }

  show(image, answers) {
    const when = new Date().toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    find(".when", this.root).textContent = when;
    const parts = [...cautions(image), headline(image), setOf(image), bars(image)];
    parts.push(make("p", answers.disclaimer, "small disclaimer"));
    this.answer.replaceChildren(...parts.filter(Boolean));
    if (image.explanation) this.offerExplanation(image);
    const words = image.abstained ? "the model cannot tell" : `${nameOf(image.predicted)}, ${percent(image.confidence)}`;
    announce(`${this.file.name || "Pasted image"}: ${words}${image.outlier ? ", unlike the training images" : ""}`);
  }

  fail(error) {
    const box = make("div", "", "box alert");
    box.setAttribute("role", "alert");
    box.append(make("strong", error.title || "Something failed"), make("span", error.message));
    const parts = [box];
    if (error.status === 0 || error.status >= 429) {
      const again = make("button", "Try again");
      again.type = "button";
      again.addEventListener("click", () => this.again());
      parts.push(again);
    }
    this.answer.replaceChildren(...parts);
    if (error.status === 401) askForToken();
  }

  again() {
    const blank = find("#card").content.querySelector(".loading").cloneNode(true);
    this.answer.replaceChildren(blank);
    this.answer.setAttribute("aria-busy", "true");
    state.waiting.push(this);
    work();
  }

  offerExplanation(image) {
    const options = image.classes.map((one) => {
      const option = make("option", one.name);
      option.value = one.label;
      return option;
    });
    const select = find(".of", this.root);
    select.replaceChildren(...options);
    select.value = image.explanation.label;
    find(".explain", this.root).hidden = false;
    this.overlay(image.explanation);
  }

  overlay(explanation) {
    const photo = find(".photo", this.root);
    if (photo.hidden && explanation.view) {
      photo.src = explanation.view;
      photo.hidden = false;
      find(".no-preview", this.root).hidden = true;
    }
    this.aspect = explanation.aspect;
    const overlay = find(".overlay", this.root);
    overlay.src = explanation.png;
    overlay.hidden = false;
    overlay.alt = `Evidence for ${nameOf(explanation.label)}, overlaid on the image`;
    find(".note", this.root).textContent = explanation.note;
    this.fade();
    this.place();
  }

  // The overlay covers what the model saw: all of a squashed image, the middle square of a cropped one.
  place() {
    const { naturalWidth: width, naturalHeight: height, src } = find(".photo", this.root);
    const overlay = find(".overlay", this.root);
    if (!width || !this.aspect || this.aspect === "squash" || src.startsWith("data:")) return;
    const side = this.aspect === "crop" ? Math.min(width, height) : Math.max(width, height);
    overlay.style.width = `${(100 * side) / width}%`;
    overlay.style.height = `${(100 * side) / height}%`;
  }

  fade() {
    const { value } = find(".opacity", this.root);
    find(".overlay", this.root).style.opacity = value / 100;
    find(".photo", this.root).style.filter = `grayscale(${value > 0 ? 1 : 0})`; // skin is red itself
    find(".percent", this.root).textContent = `${value} %`;
  }

  async explain(label) {
    const note = find(".note", this.root);
    note.textContent = "Looking";
    try {
      const answers = await ask(this.file, label, () => {});
      this.overlay(answers.images[0].explanation);
      announce(`Evidence for ${nameOf(label)} shown`);
    } catch (error) {
      note.textContent = `${error.title}: ${error.message}`;
    }
  }
}

// --- parts of an answer ---

function headline(image) {
  const block = make("div", "", image.abstained || image.outlier ? "headline unsure" : "headline");
  if (image.abstained) {
    block.append(make("p", "Answer", "label"), make("p", "I cannot tell", "found"));
    block.append(make("p", image.abstention_reason, "share"));
    return block;
  }
  const share = make("p", "", "share");
  share.append("Probability ", make("b", percent(image.confidence)));
  block.append(make("p", "Most probable class", "label"), make("p", sentence(nameOf(image.predicted)), "found"), share);
  return block;
}

const sentence = (name) => name.charAt(0).toUpperCase() + name.slice(1);

function cautions(image) {
  if (!image.outlier) return [];
  const box = make("div", "", "box warn");
  box.append(
    make("strong", "This image is unlike those the model was trained on"),
    make("span", "It may be out of focus, from another device or of another kind, or show something the model was not trained on. Do not rely on the answer."),
  );
  return [box];
}

function setOf(image) {
  const labels = image.prediction_set;
  if (!labels) return null;
  const block = make("div", "", "set");
  const chips = make("ul", "", "chips");
  chips.append(...labels.map((label) => make("li", nameOf(label))));
  if (!labels.length) chips.append(make("li", "no class fits well", "none"));
  block.append(make("h4", "Cannot be ruled out"), chips);
  const coverage = state.model?.trust?.sets?.coverage;
  if (coverage) {
    block.append(make("p", `For images like those of training, such a list contains the true class for about ${percent(coverage)} of lesions.`, "small"));
  }
  return block;
}

function bars(image) {
  const block = make("div", "", "all");
  const list = make("ol", "", "bars");
  for (const one of image.classes) {
    const line = make("li", "", one.in_set || (one.in_set === null && one.label === image.predicted) ? "in" : "");
    const track = make("div", "", "track");
    const fill = make("i");
    fill.style.width = `${one.probability * 100}%`;
    track.setAttribute("aria-hidden", "true");
    track.append(fill);
    line.append(make("span", sentence(one.name)), make("span", percent(one.probability), "value"), track);
    if (image.observed && one.label === image.predicted) {
      track.append(mark(image.observed));
      line.append(observed(image.observed));
    }
    list.append(line);
  }
  block.append(make("h4", state.model?.trust ? "Calibrated probabilities" : "Probabilities (not calibrated)"), list);
  return block;
}

// The accuracy that was observed at such a probability, and its interval.
function mark({ correct, interval: [low, high] }) {
  const whisker = make("b", "", "mark-of");
  whisker.style.left = `${low * 100}%`;
  whisker.style.width = `${(high - low) * 100}%`;
  const dot = make("b", "", "dot");
  dot.style.left = `${(100 * (correct - low)) / (high - low)}%`;
  whisker.append(dot);
  return whisker;
}

function observed({ low, high, correct, interval, images, part }) {
  const between = (from, to) => `${Math.round(from * 100)} to ${Math.round(to * 100)} %`;
  const note = make("p", "", "small seen");
  const key = make("b", "", "mark-of key");
  key.setAttribute("aria-hidden", "true");
  key.append(make("b", "", "dot"));
  const words = `Observed: of ${images.toLocaleString("en")} answers with a probability of ${between(low, high)} on ${part}, ${percent(correct)} were correct (95 % interval: ${between(...interval)}).`;
  note.append(key, words.replaceAll(" %", "\u00a0%"));
  return note;
}

// --- events ---

function listen() {
  const drop = find("#drop");
  find("#choose").addEventListener("click", () => find("#files").click());
  find("#photograph").addEventListener("click", () => find("#camera").click());
  for (const input of [find("#files"), find("#camera")]) {
    input.addEventListener("change", () => {
      add(input.files);
      input.value = "";
    });
  }
  document.addEventListener("paste", (event) => add(event.clipboardData?.files || []));
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add(event.dataTransfer.files);
  });
  find("#print").addEventListener("click", () => window.print());
  find("#clear").addEventListener("click", () => {
    state.waiting.length = 0;
    for (const button of document.querySelectorAll("#cards .remove")) button.click();
  });
  find("#access").addEventListener("submit", (event) => {
    event.preventDefault();
    state.token = find("#token").value.trim();
    connect();
  });
}

listen();
connect();
