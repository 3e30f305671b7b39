setTimeout(() => {
  setTimeout(() => console.log('timeout'), 0);
  setImmediate(() => console.log('immediate'));
  setImmediate((x) => { console.log('immediate', x); Promise.resolve().then(() => console.log('micro')); }, 1);
  const gone = setImmediate(() => console.log('never'));
  clearImmediate(gone);
  setImmediate(() => console.log('immediate 3'));
}, 1);
