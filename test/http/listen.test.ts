import { expect, onTestFinished, test } from "vitest";
import { ConfigError } from "../../src/config.js";
import { listen } from "../../src/http/listen.js";
import { testServer } from "./http-fixture.js";

test.each([
  ["an address of another machine", "203.0.113.9", "must be one of this machine"],
  ["a name that nobody has", "nosuch.invalid", "must be one that can be found"],
])("%s is told as what it is, and not as taken", async (_what, host, demand) => {
  const { app } = testServer();
  const listening = listen(app, { host, port: 0, variables: "HOST and PORT" });
  await expect(listening).rejects.toThrow(ConfigError);
  await expect(listening).rejects.toThrow(`HOST and PORT: the address ${host}:0 ${demand}: `);
});

test("an address that is taken is told as such", async () => {
  const [{ app: first }, { app: second }] = [testServer(), testServer()];
  onTestFinished(() => first.close());
  const address = { host: "127.0.0.1", variables: "HOST and PORT" };
  const port = Number(new URL(await listen(first, { ...address, port: 0 })).port);
  await expect(listen(second, { ...address, port })).rejects.toThrow(`127.0.0.1:${port} must be free: `);
});
