// The picture that this page publishes: the camera's or a drawn one, and over it, when asked, the sandbox's patch.

const WIDTH = 640;
const HEIGHT = 360;
const FPS = 15;

// What `ds_actors.sandbox.paint_marker` paints; from 0.05 of the area on, the sandbox calls it an alert.
const MAGENTA = "rgb(230 20 230)";
const GREEN = "rgb(20 230 20)";
const CELL = 16;
const SHARE = 0.2;

interface Look {
  readonly hair: string;
  readonly skin: string;
  readonly coat: string;
  readonly wall: string;
}

const LOOKS = [
  { hair: "#3b2a20", skin: "#d9a982", coat: "#2d4a3e", wall: "#5b7fa6" },
  { hair: "#1c1a1e", skin: "#8a5a3c", coat: "#7a2f3a", wall: "#9aa88a" },
  { hair: "#a8743a", skin: "#eac3a4", coat: "#3a3f6b", wall: "#b59a86" },
] as const satisfies readonly [Look, ...Look[]];

export class Picture {
  tampered = false;
  readonly track: MediaStreamTrack;
  readonly #canvas = document.createElement("canvas");
  readonly #context: CanvasRenderingContext2D;
  readonly #camera: HTMLVideoElement | undefined;
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(
    camera: HTMLVideoElement | undefined,
    private readonly look: Look = LOOKS[0],
  ) {
    this.#camera = camera;
    this.#canvas.width = WIDTH;
    this.#canvas.height = HEIGHT;
    const context = this.#canvas.getContext("2d", { alpha: false });
    if (context === null) throw new Error("this browser does not draw");
    this.#context = context;
    const [track] = this.#canvas.captureStream(FPS).getVideoTracks();
    if (track === undefined) throw new Error("this browser makes no video of a drawing");
    this.track = track;
    this.#draw();
    // A timer, not an animation frame: a tab in the background still publishes.
    this.#timer = setInterval(() => this.#draw(), 1000 / FPS);
  }

  /** Draw a face whose colours depend on the name. */
  static drawn(name: string): Picture {
    const sum = [...name].reduce((total, letter) => (31 * total + (letter.codePointAt(0) ?? 0)) % 65_536, 0);
    return new Picture(undefined, LOOKS[sum % LOOKS.length]);
  }

  /** Throws where there is no camera, or no permission. */
  static async ofCamera(): Promise<Picture> {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH, height: HEIGHT } });
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = stream;
    await video.play();
    return new Picture(video);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.track.stop();
    const stream = this.#camera?.srcObject;
    if (stream instanceof MediaStream) stream.getTracks().forEach((track) => track.stop());
  }

  #draw(): void {
    const context = this.#context;
    if (this.#camera === undefined) drawFace(context, this.look, performance.now() / 1000);
    else context.drawImage(this.#camera, 0, 0, WIDTH, HEIGHT);
    if (this.tampered) paintPatch(context);
  }
}

function paintPatch(context: CanvasRenderingContext2D): void {
  const width = Math.round(WIDTH * Math.sqrt(SHARE));
  const height = Math.round(HEIGHT * Math.sqrt(SHARE));
  const left = Math.floor((WIDTH - width) / 2);
  const top = Math.floor((HEIGHT - height) / 2);
  for (let y = 0; y < height; y += CELL) {
    for (let x = 0; x < width; x += CELL) {
      context.fillStyle = (x / CELL + y / CELL) % 2 === 1 ? MAGENTA : GREEN;
      context.fillRect(left + x, top + y, Math.min(CELL, width - x), Math.min(CELL, height - y));
    }
  }
}

function drawFace(context: CanvasRenderingContext2D, look: Look, seconds: number): void {
  const sway = 8 * Math.sin(seconds);
  const blink = seconds % 4 < 0.15;
  fill(context, look.wall, () => context.rect(0, 0, WIDTH, HEIGHT));
  fill(context, "rgb(0 0 0 / 20%)", () => context.rect(0, 250, WIDTH, 110));
  fill(context, look.coat, () => context.ellipse(320 + sway / 2, 370, 150, 110, 0, 0, 7));
  fill(context, look.hair, () => context.ellipse(320 + sway, 155, 92, 110, 0, 0, 7));
  fill(context, look.skin, () => context.ellipse(320 + sway, 175, 75, 95, 0, 0, 7));
  for (const side of [-1, 1]) {
    const x = 320 + sway + 28 * side;
    fill(context, "#ffffff", () => context.ellipse(x, 160, 12, blink ? 1 : 8, 0, 0, 7));
    if (!blink) fill(context, "#30241c", () => context.arc(x + sway / 4, 160, 5, 0, 7));
  }
  fill(context, "#8c3f3a", () => context.ellipse(320 + sway, 222, 24, 5 + 3 * Math.abs(Math.sin(seconds * 3)), 0, 0, 7));
}

function fill(context: CanvasRenderingContext2D, colour: string, outline: () => void): void {
  context.fillStyle = colour;
  context.beginPath();
  outline();
  context.fill();
}
