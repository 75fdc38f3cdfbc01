/* `npx tsx tools/convert-cli.ts SRC OUT …` is `lapis convert SRC OUT …`. */
process.argv.splice(2, 0, 'convert');
await import('./lapis.ts');

export {};
