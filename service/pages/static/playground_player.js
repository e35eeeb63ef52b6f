// Plays the steps of a run, a few seconds from the first to the last; or shows the one that is asked for.

const SECONDS = 4;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Player {
  constructor(button, slider, output, show) {
    Object.assign(this, { button, slider, output, show, steps: 0, playing: null });
    button.addEventListener("click", () => (this.playing ? this.pause() : this.resume()));
    slider.addEventListener("input", () => {
      this.pause();
      this.goTo(Number(slider.value));
    });
  }

  // Takes up another run; plays it, unless one wants things still.
  start(steps) {
    this.pause();
    this.steps = steps;
    this.slider.max = steps;
    if (still.matches) this.goTo(steps);
    else this.play(0);
  }

  resume() {
    const shown = Number(this.slider.value);
    this.play(shown < this.steps ? shown : 0);
  }

  play(from) {
    const began = performance.now() - (from / this.steps) * SECONDS * 1000;
    this.button.textContent = "Pause";
    const own = (this.playing = Symbol());
    const frame = (now) => {
      if (this.playing !== own) return;
      const step = Math.min(this.steps, Math.floor(((now - began) / 1000 / SECONDS) * this.steps));
      this.goTo(Math.max(0, step));
      if (step >= this.steps) this.pause();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  pause() {
    this.playing = null;
    this.button.textContent = "Play";
  }

  goTo(step) {
    this.slider.value = step;
    this.output.textContent = `${step} of ${this.steps}`;
    this.show(step);
  }
}
