// A quiet bar while the server cannot be reached; it goes by itself.

const PATIENCE = 1500; // ms; a restart of the server is not worth a word

class LostBar extends HTMLElement {
  #timer = 0;

  listen(news) {
    news.addEventListener("lost", () => {
      this.#timer ||= setTimeout(() => this.#show(), PATIENCE);
    });
    news.addEventListener("found", () => {
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.hidden = true;
    });
  }

  #show() {
    this.textContent = "The server cannot be reached. Is it running? This page comes back by itself.";
    this.hidden = false;
  }
}

customElements.define("lost-bar", LostBar);
