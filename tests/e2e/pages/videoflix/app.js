// What Videoflix front ends do, in as many lines as it takes: cookies, innerHTML, two players, no heartbeat.
import Hls from "/hls.min.mjs";
import { API_BASE_URL } from "/config.js";

const show = (id) => document.getElementById(id);
const toast = (words) => { show("toast").textContent = words; };
const words = (data) => Object.values(data).flat(Infinity).join(" ");

async function api(path, method = "GET", data = null, headers = {}) {
  const answer = await fetch(API_BASE_URL + path, {
    method,
    credentials: "include",
    headers: data ? { "Content-Type": "application/json", ...headers } : headers,
    body: data && JSON.stringify(data),
  });
  return { ok: answer.ok, status: answer.status, data: await answer.json() };
}

function form(path, then) {
  show("form").hidden = false;
  show("form").onsubmit = async (event) => {
    event.preventDefault();
    const answer = await api(path, "POST", Object.fromEntries(new FormData(event.target)));
    if (answer.ok && then) location.href = then;
    else toast(answer.ok ? answer.data.detail : `${answer.status}: ${words(answer.data)}`);
  };
}

function play(video, address) {
  const hls = new Hls({ enableWorker: false, xhrSetup: (xhr) => { xhr.withCredentials = true; } });
  hls.on(Hls.Events.ERROR, (_, error) => {
    if (error.response) show("problem").textContent = `${video.id} ${error.response.code}`;
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play().catch(() => {}));  // another film was chosen meanwhile
  hls.loadSource(address);
  hls.attachMedia(video);
}

function card(video) {
  return `<section data-id="${video.id}" onclick="document.body.dataset.chosen='${video.title}'">
    <h2>${video.category}</h2><img src="${video.thumbnail_url}" alt='${video.title}'>
    <h3>${video.title}</h3><p>${video.description}</p></section>`;
}

async function list() {
  const answer = await api("video/");
  if (!answer.ok) return toast(`${answer.status}: ${words(answer.data)}`);
  show("videos").innerHTML = answer.data.map(card).join("");
  for (const section of document.querySelectorAll("section")) {
    section.addEventListener("click", () => {
      play(show("preview"), `${API_BASE_URL}video/${section.dataset.id}/480p/index.m3u8`);
      play(show("player"), `${API_BASE_URL}video/${section.dataset.id}/720p/index.m3u8`);
    });
  }
  show("logout").hidden = false;
}

function cookie(name) {
  return document.cookie.split("; ").find((each) => each.startsWith(`${name}=`))?.split("=")[1];
}

show("logout").onclick = async () => {
  const token = cookie("csrftoken");
  if (!token) return toast("nobody is signed in");
  const answer = await api("logout/", "POST", null, { "X-CSRFToken": token });
  toast(answer.data.detail);
};

const asked = new URLSearchParams(location.search);
const pages = {
  "/pages/auth/register.html": () => form("register/"),
  "/pages/auth/login.html": () => form("login/", "/pages/videos.html"),
  "/pages/auth/forgot_password.html": () => form("password_reset/"),
  "/pages/auth/activate.html": async () =>
    toast((await api(`activate/${asked.get("uid")}/${asked.get("token")}/`)).data.message),
  "/pages/videos.html": list,
};
pages[location.pathname]();
