// Stack traces that show the user's frames, at the positions of the source that was sent.

import { primordials } from "ext:core/mod.js";
import { op_faas_original_position } from "ext:core/ops";

const {
  ArrayPrototypeJoin,
  ArrayPrototypePush,
  Error,
  ErrorPrototypeToString,
  Number,
  ObjectGetPrototypeOf,
  ReflectApply,
  RegExpPrototypeExec,
  SafeRegExp,
  SafeWeakMap,
  StringPrototypeIncludes,
  StringPrototypeIndexOf,
  StringPrototypeLastIndexOf,
  StringPrototypeSlice,
  StringPrototypeStartsWith,
  Uint32Array,
} = primordials;

// Names that programs look for and do not find, and what to do instead.
const NO_NETWORK = "it has no network";
const NO_BROWSER = "it is not a browser";
const NO_MODULES = "there are no modules to load; put everything into the code that is sent";
const NO_HANDLERS =
  "use try and catch, or a handler of the promise; an error that nobody catches ends the program";
const NO_TESTS = "it runs no tests; call the functions, and throw an Error where a check fails";
const FILES = "use the global `files`: files.list(), files.text(name), files.write(name, data)";
/** @type {Record<string, string | null>} */
const MISSING = {
  __proto__: null,
  $: NO_MODULES,
  ActiveXObject: NO_BROWSER,
  AsyncResource: "use AsyncLocalStorage, which is a global",
  Audio: NO_BROWSER,
  BroadcastChannel: "use MessageChannel or EventTarget",
  Buffer: "use Uint8Array, TextEncoder, atob and btoa",
  Bun: "it has the globals of the web, `files`, `stdin` and `args`",
  Cache: "it keeps nothing",
  CacheStorage: "it keeps nothing",
  CloseEvent: NO_NETWORK,
  DOMParser: NO_BROWSER,
  DedicatedWorkerGlobalScope: "it has one thread; use promises",
  Deno: "it has the globals of the web, `files`, `stdin` and `args`",
  Document: NO_BROWSER,
  DocumentFragment: NO_BROWSER,
  Element: NO_BROWSER,
  EventEmitter: "use EventTarget",
  EventSource: NO_NETWORK,
  FileList: NO_BROWSER,
  FileReaderSync: "use the methods of Blob",
  FormData: "it has no network; use URLSearchParams or a Map",
  HTMLElement: NO_BROWSER,
  Headers: "it has no network; use a Map",
  Image: NO_BROWSER,
  ImageData: NO_BROWSER,
  IntersectionObserver: NO_BROWSER,
  MutationObserver: NO_BROWSER,
  Navigator: NO_BROWSER,
  Node: NO_BROWSER,
  NodeFilter: NO_BROWSER,
  NodeList: NO_BROWSER,
  Notification: NO_BROWSER,
  OffscreenCanvas: NO_BROWSER,
  Path2D: NO_BROWSER,
  PromiseRejectionEvent: NO_HANDLERS,
  React: `${NO_MODULES}; for JSX of your own, name a function: /** @jsx h */`,
  ReactDOM: NO_MODULES,
  ReportingObserver: NO_BROWSER,
  Request: NO_NETWORK,
  ResizeObserver: NO_BROWSER,
  Response: NO_NETWORK,
  Screen: NO_BROWSER,
  ServiceWorker: "it has one thread; use promises",
  ShadowRealm: "use new Function; all code has the same globals",
  ShadowRoot: NO_BROWSER,
  SharedWorker: "it has one thread; use promises",
  Storage: "it keeps nothing; use a Map",
  Temporal: "use Date and Intl.DateTimeFormat",
  WScript: "use console.log and args",
  WebSocket: NO_NETWORK,
  WebSocketStream: NO_NETWORK,
  WebTransport: NO_NETWORK,
  Window: NO_BROWSER,
  Worker: "it has one thread; use promises",
  WorkerGlobalScope: "it has one thread; use promises",
  XMLHttpRequest: NO_NETWORK,
  XMLSerializer: NO_BROWSER,
  _: NO_MODULES,
  __dirname: "it has no files of the host; use the global `files`",
  __filename: "it has no files of the host; use the global `files`",
  addEventListener: NO_HANDLERS,
  afterAll: NO_TESTS,
  afterEach: NO_TESTS,
  alert: "use console.log",
  assert: "use console.assert, or throw an Error",
  async_hooks: "AsyncLocalStorage is a global",
  axios: NO_NETWORK,
  beforeAll: NO_TESTS,
  beforeEach: NO_TESTS,
  blur: NO_BROWSER,
  buffer: "use Uint8Array, TextEncoder, atob and btoa",
  caches: "it keeps nothing",
  cancelAnimationFrame: "it is not a browser; use clearTimeout",
  cancelIdleCallback: "use clearTimeout",
  child_process: "it has no other processes",
  clientInformation: NO_BROWSER,
  close: "a top-level return ends the program",
  cluster: "it has no other processes",
  confirm: "send `input` with the request, and read input_data",
  constants: "it has nothing of the host",
  cookieStore: "it keeps nothing",
  createImageBitmap: NO_BROWSER,
  crossOriginIsolated: NO_BROWSER,
  customElements: NO_BROWSER,
  d3: NO_MODULES,
  dayjs: `${NO_MODULES}; Date and Intl are there`,
  describe: NO_TESTS,
  devicePixelRatio: NO_BROWSER,
  dgram: NO_NETWORK,
  diagnostics_channel: "use EventTarget",
  dispatchEvent: "use an EventTarget of your own",
  dns: NO_NETWORK,
  document: NO_BROWSER,
  domain: NO_HANDLERS,
  event: "it is not a browser; handlers get the event as their argument",
  events: "use EventTarget",
  exit: "a top-level return ends the program",
  expect: NO_TESTS,
  exports: "use return_val or a top-level return",
  fetch: NO_NETWORK,
  focus: NO_BROWSER,
  frameElement: NO_BROWSER,
  frames: NO_BROWSER,
  fs: FILES,
  gc: "memory is freed by itself",
  getComputedStyle: NO_BROWSER,
  getSelection: NO_BROWSER,
  global: "use globalThis",
  history: NO_BROWSER,
  http: NO_NETWORK,
  http2: NO_NETWORK,
  https: NO_NETWORK,
  importScripts: NO_MODULES,
  indexedDB: "it keeps nothing",
  innerHeight: NO_BROWSER,
  innerWidth: NO_BROWSER,
  inspector: "it has no debugger",
  isSecureContext: NO_BROWSER,
  it: NO_TESTS,
  jQuery: NO_MODULES,
  jest: NO_TESTS,
  localStorage: "it keeps nothing; use a Map",
  location: NO_BROWSER,
  lodash: NO_MODULES,
  matchMedia: NO_BROWSER,
  mocha: NO_TESTS,
  module: "use return_val or a top-level return",
  moment: `${NO_MODULES}; Date and Intl are there`,
  moveBy: NO_BROWSER,
  moveTo: NO_BROWSER,
  navigation: NO_BROWSER,
  navigator: NO_BROWSER,
  net: NO_NETWORK,
  onbeforeunload: NO_BROWSER,
  onclick: NO_BROWSER,
  onerror: NO_HANDLERS,
  onhashchange: NO_BROWSER,
  onkeydown: NO_BROWSER,
  onkeyup: NO_BROWSER,
  onload: "it is not a browser; the program begins at once",
  onmessage: "input_data has what the caller sent; use MessageChannel within the program",
  onmessageerror: "use MessageChannel within the program",
  onoffline: NO_NETWORK,
  ononline: NO_NETWORK,
  onpopstate: NO_BROWSER,
  onrejectionhandled: NO_HANDLERS,
  onresize: NO_BROWSER,
  onscroll: NO_BROWSER,
  onstorage: "it keeps nothing",
  onunhandledrejection: NO_HANDLERS,
  onunload: NO_BROWSER,
  open: NO_BROWSER,
  openDatabase: "it keeps nothing",
  opener: NO_BROWSER,
  origin: NO_BROWSER,
  os: "it has nothing of the host",
  outerHeight: NO_BROWSER,
  outerWidth: NO_BROWSER,
  pageXOffset: NO_BROWSER,
  pageYOffset: NO_BROWSER,
  parent: NO_BROWSER,
  path: NO_MODULES,
  perf_hooks: "performance is a global",
  postMessage: "use MessageChannel; use return_val to answer the caller",
  print: "use console.log",
  printErr: "use console.error",
  println: "use console.log",
  process:
    "use console.log to print, input_data for arguments, performance.now() for time, and a top-level return to end",
  prompt: "send `input` with the request, and read input_data",
  punycode: "use URL",
  querystring: "use URLSearchParams",
  quit: "a top-level return ends the program",
  readFile: FILES,
  readFileSync: FILES,
  readLine: "use stdin.readLine()",
  readline: "send `input` with the request, and read input_data",
  removeEventListener: NO_HANDLERS,
  repl: "it has no terminal",
  reportError: "throw the error",
  requestAnimationFrame: "it is not a browser; use setTimeout",
  requestIdleCallback: "use setTimeout",
  require: `${NO_MODULES}; files are read with the global \`files\``,
  resizeBy: NO_BROWSER,
  resizeTo: NO_BROWSER,
  scheduler: "use setTimeout",
  screen: NO_BROWSER,
  screenX: NO_BROWSER,
  screenY: NO_BROWSER,
  scroll: NO_BROWSER,
  scrollBy: NO_BROWSER,
  scrollTo: NO_BROWSER,
  scrollX: NO_BROWSER,
  scrollY: NO_BROWSER,
  self: "use globalThis",
  sessionStorage: "it keeps nothing; use a Map",
  showOpenFilePicker: FILES,
  showSaveFilePicker: FILES,
  sinon: NO_TESTS,
  speechSynthesis: NO_BROWSER,
  std: "use console and the globals `stdin` and `files`",
  stop: "a top-level return ends the program",
  stream: "use ReadableStream, WritableStream and TransformStream",
  string_decoder: "use TextDecoder",
  sys: "use console.log",
  test: NO_TESTS,
  timers:
    "setTimeout and the others are globals; a promise of a timer is new Promise((r) => setTimeout(r, ms))",
  tls: NO_NETWORK,
  top: NO_BROWSER,
  trace_events: "use performance",
  tty: "it has no terminal",
  url: "URL and URLSearchParams are globals",
  util: "console.log shows values as util.inspect does; use structuredClone, TextEncoder and Promise",
  v8: "use structuredClone and performance",
  visualViewport: NO_BROWSER,
  vm: "use new Function",
  wasi: "WebAssembly is a global; it has no files of the host",
  webkitURL: "use URL",
  window: "it is not a browser; use globalThis",
  worker_threads: "it has one thread; use promises",
  writeFile: FILES,
  writeFileSync: FILES,
  zlib: "use CompressionStream and DecompressionStream",
};

// Classes of browsers, which go by their first letters. Not by their last: programs have classes of their own that
// end in Node, List or Event.
const OF_BROWSERS =
  "^(?:Animation|Audio|CSS|Canvas|DOM|FileSystem|GPU|HTML|IDB|MIDI|Media|Payment|RTC|SVG|Speech|WebGL|XPath)[A-Z0-9]";
// Their other names. Left out are those that every program may have: name, length, status, closed, external.
const BROWSERS = [
  "AbstractRange AnalyserNode Animation Attr AuthenticatorAssertionResponse",
  "AuthenticatorAttestationResponse AuthenticatorResponse BarProp BaseAudioContext",
  "BeforeUnloadEvent BiquadFilterNode BlobEvent CDATASection CSPViolationReportBody CaretPosition",
  "ChannelMergerNode ChannelSplitterNode CharacterData Client Clients Clipboard ClipboardEvent",
  "ClipboardItem Comment CompositionEvent ConstantSourceNode ContentVisibilityAutoStateChangeEvent",
  "ConvolverNode CookieChangeEvent CookieStore CookieStoreManager Credential CredentialsContainer",
  "CustomElementRegistry CustomStateSet DataTransfer DataTransferItem DataTransferItemList",
  "DelayNode DeviceMotionEvent DeviceOrientationEvent DocumentTimeline DocumentType DragEvent",
  "DynamicsCompressorNode ElementInternals EncodedAudioChunk EncodedVideoChunk Enumerator",
  "EventCounts ExtendableCookieChangeEvent ExtendableEvent ExtendableMessageEvent External",
  "FetchEvent FileSystem FocusEvent FontFace FontFaceSet FontFaceSetLoadEvent FormDataEvent",
  "FragmentDirective GainNode Gamepad GamepadButton GamepadEvent GamepadHapticActuator Geolocation",
  "GeolocationCoordinates GeolocationPosition GeolocationPositionError HashChangeEvent Highlight",
  "HighlightRegistry History IIRFilterNode IdleDeadline ImageBitmap ImageBitmapRenderingContext",
  "ImageCapture ImageDecoder ImageTrack ImageTrackList InputDeviceInfo InputEvent",
  "IntersectionObserverEntry KeyboardEvent KeyframeEffect LargestContentfulPaint Location Lock",
  "LockManager MathMLElement MimeType MimeTypeArray MouseEvent MutationRecord NamedNodeMap",
  "NavigationActivation NavigationHistoryEntry NavigationPreloadManager NavigatorLogin NodeIterator",
  "NotificationEvent OfflineAudioCompletionEvent OfflineAudioContext",
  "OffscreenCanvasRenderingContext2D Option OscillatorNode OverconstrainedError PageRevealEvent",
  "PageSwapEvent PageTransitionEvent PannerNode PerformanceEventTiming PerformanceNavigation",
  "PerformanceNavigationTiming PerformancePaintTiming PerformanceServerTiming PerformanceTiming",
  "PeriodicWave PermissionStatus Permissions PictureInPictureEvent PictureInPictureWindow Plugin",
  "PluginArray PointerEvent PopStateEvent ProcessingInstruction PublicKeyCredential PushEvent",
  "PushManager PushMessageData PushSubscription PushSubscriptionChangeEvent PushSubscriptionOptions",
  "RadioNodeList Range RemotePlayback Report ReportBody ResizeObserverEntry ResizeObserverSize",
  "ScreenOrientation ScriptProcessorNode SecurityPolicyViolationEvent Selection",
  "ServiceWorkerContainer ServiceWorkerGlobalScope ServiceWorkerRegistration",
  "SharedWorkerGlobalScope SourceBuffer SourceBufferList StaticRange StereoPannerNode StorageEvent",
  "StorageManager StylePropertyMap StylePropertyMapReadOnly StyleSheet StyleSheetList SubmitEvent",
  "Text TextEvent TextMetrics TextTrack TextTrackCue TextTrackCueList TextTrackList TimeRanges",
  "ToggleEvent Touch TouchEvent TouchList TrackEvent TransitionEvent TreeWalker UIEvent",
  "UserActivation VBArray VTTCue VTTRegion ValidityState VideoColorSpace VideoDecoder VideoEncoder",
  "VideoFrame VideoPlaybackQuality ViewTransition ViewTransitionTypeSet VisualViewport WSH WakeLock",
  "WakeLockSentinel WaveShaperNode WebKitCSSMatrix WebTransportBidirectionalStream",
  "WebTransportDatagramDuplexStream WebTransportError WheelEvent WindowClient WorkerLocation",
  "WorkerNavigator Worklet XMLDocument XMLHttpRequestEventTarget XMLHttpRequestUpload XSLTProcessor",
  "captureEvents fonts locationbar menubar onabort onafterprint onanimationcancel onanimationend",
  "onanimationiteration onanimationstart onauxclick onbeforeinput onbeforematch onbeforeprint",
  "onbeforetoggle onblur oncancel oncanplay oncanplaythrough onchange onclose oncontextlost",
  "oncontextmenu oncontextrestored oncopy oncuechange oncut ondblclick ondevicemotion",
  "ondeviceorientation ondeviceorientationabsolute ondrag ondragend ondragenter ondragleave",
  "ondragover ondragstart ondrop ondurationchange onemptied onended onfocus onformdata",
  "ongamepadconnected ongamepaddisconnected ongotpointercapture oninput oninvalid onkeypress",
  "onlanguagechange onloadeddata onloadedmetadata onloadstart onlostpointercapture onmousedown",
  "onmouseenter onmouseleave onmousemove onmouseout onmouseover onmouseup onorientationchange",
  "onpagehide onpagereveal onpageshow onpageswap onpaste onpause onplay onplaying onpointercancel",
  "onpointerdown onpointerenter onpointerleave onpointermove onpointerout onpointerover",
  "onpointerrawupdate onpointerup onprogress onratechange onreset onrtctransform onscrollend",
  "onsecuritypolicyviolation onseeked onseeking onselect onselectionchange onselectstart",
  "onslotchange onstalled onsubmit onsuspend ontimeupdate ontoggle ontouchcancel ontouchend",
  "ontouchmove ontouchstart ontransitioncancel ontransitionend ontransitionrun ontransitionstart",
  "onvolumechange onwaiting onwebkitanimationend onwebkitanimationiteration onwebkitanimationstart",
  "onwebkittransitionend onwheel orientation originAgentCluster personalbar releaseEvents",
  "screenLeft screenTop scrollbars statusbar toolbar",
];

// What a call site says of itself, taken from the first one there is, while the realm warms up:
// before user code could tamper with it.
/** @type {Function} */
let getColumnNumber;
/** @type {Function} */
let getEvalOrigin;
/** @type {Function} */
let getFileName;
/** @type {Function} */
let getLineNumber;
/** @type {Function} */
let getScriptNameOrSourceURL;
/** @type {Function} */
let isEval;
/** @type {Function} */
let toText;

/** @typedef {{ file: string; line: number; column: number }} Place */
/** @typedef {{ text: string; place: Place | undefined }} Frame */

const position = new Uint32Array(2);

// Where errors were made, in the source that was sent: of the first frame that is there.
/** @type {WeakMap<object, Place>} */
const places = new SafeWeakMap();

/** @type {(error: unknown) => Place | undefined} */
export function placeOf(error) {
  return places.get(/** @type {object} */ (error));
}

/**
 * The place in the source that was sent; undefined for code that the TypeScript compiler added.
 * @type {(place: Place, isMapped: boolean) => Place | undefined}
 */
function originalOf(place, isMapped) {
  if (!isMapped) return place;
  const { file, line, column } = place;
  if (!op_faas_original_position(file, line, column, position)) return undefined;
  return { file, line: position[0], column: position[1] };
}

// A frame of evaluated text, "eval (eval at f (<code>:3:1), <anonymous>:1:7)": V8 counts the place of the
// call from the beginning of what was compiled, one line before the program.
/** @type {(text: string, origin: unknown, isMapped: boolean) => Frame | undefined} */
function frameOfEval(text, origin, isMapped) {
  if (typeof origin !== "string") return { text, place: undefined };
  const pattern = new SafeRegExp("(<code(?: \\d+)?>):(\\d+):(\\d+)\\)");
  const match = RegExpPrototypeExec(pattern, origin);
  const start = match === null ? -1 : StringPrototypeIndexOf(text, origin);
  if (match === null || start < 0) return { text, place: undefined };
  const called = { file: match[1], line: Number(match[2]) - 1, column: Number(match[3]) };
  const place = originalOf(called, isMapped);
  if (place === undefined) return undefined;
  const from = start + match.index;
  const to = from + match[0].length - 1;
  return { text: replaced(text, from, to, place), place };
}

// A frame of a program: its place goes in for the one of what was compiled, and its name for one that a
// comment gave it (`sourceURL`).
/** @type {(text: string, site: object, file: string, isMapped: boolean) => Frame | undefined} */
function frameOfProgram(text, site, file, isMapped) {
  let line = ReflectApply(getLineNumber, site, []);
  const column = ReflectApply(getColumnNumber, site, []);
  const name = ReflectApply(getScriptNameOrSourceURL, site, []);
  const shown = `${name}:${line}:${column}`;
  // V8 counts the lines of such a script from the beginning of what was compiled.
  if (name !== file) line--;
  const from = StringPrototypeLastIndexOf(text, shown);
  if (from < 0) return { text, place: undefined };
  const place = originalOf({ file, line, column }, isMapped);
  if (place === undefined) return undefined;
  return { text: replaced(text, from, from + shown.length, place), place };
}

/** @type {(text: string, from: number, to: number, place: Place) => string} */
function replaced(text, from, to, { file, line, column }) {
  const before = StringPrototypeSlice(text, 0, from);
  return `${before}${file}:${line}:${column}${StringPrototypeSlice(text, to)}`;
}

/** @type {(site: object, file: unknown, isMapped: boolean) => Frame | undefined} */
function frameOf(site, file, isMapped) {
  const text = ReflectApply(toText, site, []);
  if (ReflectApply(isEval, site, [])) {
    return frameOfEval(text, ReflectApply(getEvalOrigin, site, []), isMapped);
  }
  const isOfProgram = typeof file === "string" && StringPrototypeStartsWith(file, "<code");
  return isOfProgram ? frameOfProgram(text, site, file, isMapped) : { text, place: undefined };
}

/** @type {(error: unknown) => string} */
function headerOf(error) {
  let header;
  try {
    header = ErrorPrototypeToString(error);
  } catch {
    return "<error>";
  }
  const match = RegExpPrototypeExec(
    new SafeRegExp("^ReferenceError: ([\\w$]+) is not defined$"),
    header,
  );
  if (match === null) return header;
  const advice = MISSING[match[1]] ?? (isOfBrowsers(match[1]) ? NO_BROWSER : undefined);
  return advice === undefined ? header : `${header}: the sandbox has no ${match[1]}; ${advice}`;
}

/** @type {(name: string) => boolean} */
function isOfBrowsers(name) {
  if (RegExpPrototypeExec(new SafeRegExp(OF_BROWSERS), name) !== null) return true;
  for (let i = 0; i < BROWSERS.length; i++) {
    if (StringPrototypeIncludes(` ${BROWSERS[i]} `, ` ${name} `)) return true;
  }
  return false;
}

// The value of `error.stack`, given V8's call sites. `isMapped` tells whether code that runs is not
// the code that was sent.
/** @type {(error: unknown, sites: object[], isMapped: boolean) => any} */
export function formatStack(error, sites, isMapped) {
  if (getFileName === undefined && sites.length > 0) {
    ({
      getColumnNumber,
      getEvalOrigin,
      getFileName,
      getLineNumber,
      getScriptNameOrSourceURL,
      isEval,
      toString: toText,
    } = ObjectGetPrototypeOf(sites[0]));
  }
  /** @type {object[]} */
  const visible = [];
  /** @type {string[]} */
  const frames = [];
  /** @type {Frame["place"]} */
  let place;
  for (let i = 0; i < sites.length; i++) {
    const site = sites[i];
    const file = ReflectApply(getFileName, site, []);
    if (typeof file === "string" && StringPrototypeStartsWith(file, "ext:")) continue;
    const frame = frameOf(site, file, isMapped);
    if (frame === undefined) continue;
    place ??= frame.place;
    ArrayPrototypePush(visible, site);
    ArrayPrototypePush(frames, `\n    at ${frame.text}`);
  }
  if (place !== undefined && typeof error === "object" && error !== null) places.set(error, place);
  const custom = Error.prepareStackTrace;
  if (typeof custom === "function") return ReflectApply(custom, Error, [error, visible]);
  return headerOf(error) + ArrayPrototypeJoin(frames, "");
}
