// Is itself nested too deeply for a parser, once the harness has repeated its last line.
// Known from: stack exhaustion in recursive descent parsers, of TypeScript strippers, too.
// repeat: 100000
(
