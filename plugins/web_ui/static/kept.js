// What this browser keeps from one film to the next; without storage (a private window, say) it forgets.

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null; // no storage here, or not ours
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // it holds as long as the film
  }
}
