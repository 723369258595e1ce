// SPDX-License-Identifier: Apache-2.0
// An MQTT 5 client on MQTT.js: mqtt.js subscribe PORT FILTER | publish PORT TOPIC COUNT
"use strict";
const mqtt = require("mqtt");
const [what, port, topic, count] = process.argv.slice(2);
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });

client.on("error", (error) => {
    console.error(error.message);
    process.exit(1);
});
client.on("connect", async () => {
    if (what === "subscribe") {
        client.on("message", (name, payload, packet) => {
            const user = { ...((packet.properties || {}).userProperties || {}) };
            console.log(JSON.stringify({ topic: name, payload: payload.toString(), user }));
        });
        await client.subscribeAsync(topic, { qos: 1 });
        console.log("ready");
        return;
    }
    console.log("ready");
    for (let n = 0; n < Number(count); n++)
        await client.publishAsync(topic, `event ${n}`, {
            qos: 2,
            properties: { userProperties: { colour: "grün" } },
        });
    await client.endAsync();
});
