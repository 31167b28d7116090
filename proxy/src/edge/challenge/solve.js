"use strict";
// Looks for a number whose SHA-256, behind the puzzle, begins with so many zero bits; sends it, and asks for the page again.
{
  const { puzzle, bits, path, again } = document.currentScript.dataset;
  const element = (id) => document.getElementById(id);

  // SHA-256 (FIPS 180-4), as far as it is needed here: crypto.subtle is slower for many short texts, and not there over plain HTTP.
  const ROUNDS = Int32Array.of(
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  );
  const START = Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);
  const words = new Int32Array(64);

  // The state after one block, which is in the first 16 of `words`.
  function compress(state) {
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15], y = words[i - 2];
      const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
      const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
      words[i] = words[i - 16] + s0 + words[i - 7] + s1 | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t1 = h + s1 + (e & f ^ ~e & g) + ROUNDS[i] + words[i] | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
      h = g; g = f; f = e; e = d + t1 | 0; d = c; c = b; b = a; a = t1 + t2 | 0;
    }
    return [state[0] + a | 0, state[1] + b | 0, state[2] + c | 0, state[3] + d | 0,
      state[4] + e | 0, state[5] + f | 0, state[6] + g | 0, state[7] + h | 0];
  }

  // The text is whole words. What comes before the last block is hashed once; in that one, a number is one word.
  const text = new TextEncoder().encode(puzzle);
  const word = (at) => text[at] << 24 | text[at + 1] << 16 | text[at + 2] << 8 | text[at + 3];
  let before = START;
  let at = 0;
  for (; text.length - at >= 56; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = word(at + 4 * i);
    before = compress(before);
  }
  const last = [];
  for (; at < text.length; at += 4) last.push(word(at));
  const solves = (number) => {
    words.fill(0, 0, 16);
    words.set(last);
    words[last.length] = number;
    words[last.length + 1] = 1 << 31;
    words[15] = 8 * (text.length + 4);
    return Math.clz32(compress(before)[0]) >= bits;
  };

  // Between slices of work the page answers. A message is not held up where the page is not seen, as a timer is.
  const pause = () => new Promise((go) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); go(); };
    port2.postMessage(0);
  });

  async function solve() {
    const progress = element("progress");
    progress.hidden = false;
    for (let number = 0; ; await pause()) {
      const until = performance.now() + 40;
      while (performance.now() < until) {
        for (const end = number + 512; number < end; number++) if (solves(number)) return number;
      }
      // How likely it is that it would be found by now.
      progress.value = 1 - Math.exp(-number / 2 ** bits);
    }
  }

  function fail(why) {
    element("status").textContent = why;
    element("progress").hidden = true;
    element("again").hidden = false;
  }

  async function run() {
    element("status").textContent = "Calculating.";
    const solution = `${puzzle}.${await solve()}`;
    const sent = await fetch(path, { method: "POST", headers: { "selvedge-solution": solution } });
    if (!sent.ok) return fail("The result was not accepted. It may have taken too long.");
    // A browser that does not keep the pass would be asked again and again.
    const kept = await fetch(path, { cache: "no-store" });
    if (!kept.ok) return fail("The result could not be kept: this site needs cookies.");
    element("status").textContent = "Done. The page is loading.";
    // Nothing that was sent is sent again.
    if (again === "reload") location.reload(); else location.replace(location.pathname + location.search);
  }

  run().catch(() => fail("The site could not be reached."));
}
