// Breaks out of the wrapper in TypeScript, whose translator might mend what V8 would refuse.
// Known from: template injection into generated code.
// language: typescript
// expect: error
const before: string = "before";
}); (globalThis as any).escaped = 1; console.log("ESCAPED: out of the wrapper"); (async () => {
console.log("after");
