// Drives the unmodified @microsoft/signalr client. Prints one JSON line an event; obeys lines on standard input.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [packages, negotiateUrl, token, targets = "hello", protocol = "json"] = process.argv.slice(2);
const load = createRequire(packages + "/");
const { HttpTransportType, HubConnectionBuilder, JsonHubProtocol, LogLevel } = load("@microsoft/signalr");
const { MessagePackHubProtocol } = load("@microsoft/signalr-protocol-msgpack");
const report = (event, data) => console.log(JSON.stringify({ event, data }));

const connection = new HubConnectionBuilder()
  .withUrl(negotiateUrl, token ? { accessTokenFactory: () => token, transport: HttpTransportType.WebSockets } : {})
  .withHubProtocol(protocol === "messagepack" ? new MessagePackHubProtocol() : new JsonHubProtocol())
  .withAutomaticReconnect([0, 50, 100, 200, ...Array(40).fill(500)])
  .configureLogging(LogLevel.Error)
  .build();

for (const target of targets.split(",")) connection.on(target, (...values) => report(target, values));
connection.onreconnecting((error) => report("reconnecting", error?.message));
connection.onreconnected((id) => report("reconnected", id));
connection.onclose((error) => report("closed", error?.message));

createInterface({ input: process.stdin }).on("line", async (line) => {
  if (line === "invoke") connection.invoke("anything").catch((error) => report("invokeFailed", error.message));
  if (line === "id") report("id", connection.connectionId);
  if (line === "stop") await connection.stop();
});

connection.start().then(
  () => report("connected", connection.connectionId),
  (error) => { report("failed", error.message); process.exit(1); },
);
