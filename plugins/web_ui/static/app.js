// What is shown follows the address: #/ is the wall, #/watch/<slug> the player over it.

import "./lost-bar.js";
import "./home-page.js";
import "./watch-page.js";
import { el } from "./dom.js";
import { News } from "./news.js";

const news = new News();
const home = el("home-page");
const page = document.getElementById("page");
let player = null;

function route() {
  const [, name, slug] = location.hash.split("/");
  player?.remove();
  player = null;
  const watches = name === "watch" && Boolean(slug);
  home.inert = watches;
  document.documentElement.classList.toggle("watching", watches);
  if (!watches) {
    document.title = "Mediaserver";
    home.returned();
    return;
  }
  player = el("watch-page");
  player.news = news;
  player.slug = decodeURIComponent(slug);
  page.append(player);
}

document.querySelector("lost-bar").listen(news);
home.news = news;
page.append(home);
window.addEventListener("hashchange", route);
route();
