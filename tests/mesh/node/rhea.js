// SPDX-License-Identifier: Apache-2.0
// An AMQP 1.0 client on rhea: rhea.js receive PORT ADDRESS | send PORT ADDRESS COUNT
"use strict";
const rhea = require("rhea");
const [what, port, address, count] = process.argv.slice(2);
const connection = rhea.connect({
    host: "127.0.0.1", port: Number(port), username: "guest", password: "guest", reconnect: false,
});

rhea.on("disconnected", (context) => {
    if (context.error) {
        console.error(context.error.message);
        process.exit(1);
    }
});
if (what === "receive") {
    // Durable, since RabbitMQ declares the queue as the link says.
    connection.open_receiver({ source: { address, durable: 2 }, credit_window: 500 });
    rhea.on("receiver_open", () => console.log("ready"));
    rhea.on("message", ({ message }) => {
        const body = message.body && message.body.content !== undefined ? message.body.content : message.body;
        console.log(JSON.stringify({
            body: body === undefined || body === null ? "" : body.toString(),
            content_type: message.content_type,
            properties: message.application_properties || {},
        }));
    });
} else {
    let sent = 0;
    let settled = 0;
    connection.open_sender({ target: { address, durable: 2 } });
    rhea.on("sender_open", () => console.log("ready"));
    rhea.on("sendable", ({ sender }) => {
        while (sent < Number(count) && sender.sendable()) {
            sender.send({
                durable: true,
                application_properties: { machine: "m7", colour: "grün" },
                body: rhea.message.data_section(Buffer.from(`event ${sent}`)),
            });
            sent++;
        }
    });
    rhea.on("accepted", () => {
        if (++settled === Number(count))
            connection.close();
    });
}
