// The page: files in, answers shown. Nothing is stored: all of it is gone when the page is closed.
import { inWords, make, nameOf, partsOf } from "./answer.js";

const RETRIES = 4;
const TOGETHER = 2; // requests at once, so that a page never fills the service's queue by itself
const AS_SEEN = "The picture is shown as the model saw it, at its size and shape, because this browser cannot show the file.";
const find = (selector, within = document) => within.querySelector(selector);
const state = { model: null, token: "", waiting: [], running: 0 };

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
    this.answer.replaceChildren(...partsOf(image, state.model), make("p", answers.disclaimer, "small disclaimer"));
    if (image.explanation) this.offerExplanation(image);
    announce(`${this.file.name || "Pasted image"}: ${inWords(image, state.model)}`);
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
    overlay.alt = `Evidence for ${nameOf(explanation.label, state.model)}, overlaid on the image`;
    find(".note", this.root).textContent = `${explanation.note}${photo.src.startsWith("data:") ? ` ${AS_SEEN}` : ""}`;
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
      announce(`Evidence for ${nameOf(label, state.model)} shown`);
    } catch (error) {
      note.textContent = `${error.title}: ${error.message}`;
    }
  }
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
