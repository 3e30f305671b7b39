// Checks answers of the service against its description. Reads {"document", "answers": [{"schema",
// "answer"}]} from stdin; writes a line for each fault. For tests/http_surface.rs.

import { text } from "node:stream/consumers";
import Ajv from "ajv/dist/2020.js";

const { document, answers } = JSON.parse(await text(process.stdin));

/** Of an object whose fields are described, no others are expected. Callers are not told so: there may
    be more in later versions. */
function close(schema) {
  if (typeof schema !== "object" || schema === null) return;
  if (schema.properties) schema.additionalProperties ??= false;
  for (const part of Object.values(schema)) close(part);
}

const { schemas } = document.components;
close(schemas);
const isTime = (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text);
const isInteger = (limit) => ({ type: "number", validate: (number) => Math.abs(number) < limit });
const formats = {
  "date-time": isTime,
  int32: isInteger(2 ** 31),
  int64: isInteger(2 ** 63),
  double: true,
};
// Unknown formats and keywords are faults, too.
const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, formats });
ajv.addVocabulary(["components"]);
ajv.addSchema({ $id: "document", components: { schemas } });
for (const { schema, answer } of answers) {
  if (!ajv.validate(`document#/components/schemas/${schema}`, answer)) {
    console.log(`${schema}: ${ajv.errorsText()} in ${JSON.stringify(answer)}`);
  }
}
