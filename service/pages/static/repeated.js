// Something that is done again and again as there is cause to, and no oftener than is good.
import { Problem } from "./api.js";

const SHARE = 0.3; // of the time at most it is being done

export class Repeated {
  #act;
  #pause;
  #timer = null;
  #isActing = false;
  #isWanted = false;
  #isUrgent = false;
  #next = 0;

  // `act` may be asynchronous: it is never done twice at a time, and rests for `pause` ms in between.
  constructor(act, pause) {
    this.#act = act;
    this.#pause = pause;
  }

  // There is cause to do it again: after the rest, or at once.
  want({ atOnce = false } = {}) {
    this.#isWanted = true;
    this.#isUrgent ||= atOnce;
    if (this.#isActing) return;
    clearTimeout(this.#timer);
    const rest = this.#isUrgent ? 0 : Math.max(0, this.#next - performance.now());
    this.#timer = setTimeout(() => this.#run(), rest);
  }

  async #run() {
    this.#isActing = true;
    this.#isWanted = this.#isUrgent = false;
    const began = performance.now();
    try {
      await this.#act();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      // A server that is away, or cannot answer now, may be there later.
      this.#isWanted ||= problem.status === 0 || problem.status >= 500;
    } finally {
      const ended = performance.now();
      this.#next = ended + Math.max(this.#pause, (ended - began) / SHARE);
      this.#isActing = false;
      if (this.#isWanted) this.want();
    }
  }
}
