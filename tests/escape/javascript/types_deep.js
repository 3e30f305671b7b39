// Has types nested too deeply for a recursive TypeScript parser.
// Known from: swc's and oxc's stack overflows.
// language: typescript
// timeout: 5000
// repeat: 50000
Array<
