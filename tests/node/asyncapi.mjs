// Reads the AsyncAPI page on standard input with AsyncAPI's own parser, and writes what it finds as JSON:
// `{version, channels, diagnostics}`, each diagnostic with its severity (0: an error), code, message and path.

import { text } from "node:stream/consumers";

import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
const told = diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join(".") }));
const channels = document?.channels().all().map((channel) => channel.address()) ?? [];
process.stdout.write(JSON.stringify({ version: document?.version(), channels, diagnostics: told }));
