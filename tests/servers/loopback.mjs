// Loaded with `node --import` before a server that offers no choice of address: whatever it listens on
// becomes 127.0.0.1, and the port it got is printed as `listening on PORT`.
import net from "node:net";

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (port, ...rest) {
  const callback = rest.find((value) => typeof value === "function");
  this.once("listening", () => console.log(`listening on ${this.address().port}`));
  return listen.call(this, { port: Number(port), host: "127.0.0.1" }, callback);
};
