// SPDX-License-Identifier: Apache-2.0
// CloudEvents by their JavaScript SDK, over MQTT.js and rhea:
//   cloudevents.js send mqtt|amqp PORT ADDRESS binary|structured|batch
//   cloudevents.js receive mqtt|amqp PORT ADDRESS
// Both print each event as the SDK's JSON; receive prints {"error": …} for what the SDK refuses.
"use strict";
const { CloudEvent, HTTP, MQTT } = require("cloudevents");
const mqtt = require("mqtt");
const rhea = require("rhea");
const [what, protocol, port, address, mode] = process.argv.slice(2);
const PREFIX = "cloudEvents:";

function events() {
    const common = { source: "/sdk/test", type: "com.example.test", time: "2026-01-31T08:30:00.000Z" };
    const json = { ...common, datacontenttype: "application/json" };
    return [
        new CloudEvent({ ...json, id: "json", data: { t: 21.5, list: [1, null, "ü€😀"] }, subject: "Halle 7" }),
        new CloudEvent({ ...common, id: "text", datacontenttype: "text/plain", data: "21.5 °C\n\"quoted\"" }),
        new CloudEvent({ ...common, id: "none", dataschema: "https://example.com/a?b#c" }),
        new CloudEvent({ ...json, id: "types", count: 42, negative: -7, flag: true, text: "ä b", data: [] }),
    ];
}

const isJson = (type) => !type || /[/+]json\b/.test(type);
const text = (data) => (data === undefined ? "" : typeof data === "string" ? data : JSON.stringify(data));
// The SDK leaves the body of binary mode to its user.
const bodyOf = (event) => (event.data === undefined ? "" : isJson(event.datacontenttype)
    ? JSON.stringify(event.data) : event.data);
const dataOf = (type, body) => (!body.length ? undefined : isJson(type) ? JSON.parse(body) : body.toString());

function attributesOf(event) {
    const { data, ...attributes } = event.toJSON();
    return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}

// ---- what the SDK makes, as { type, attributes, body } ------------------------------------------

function messages() {
    if (mode === "batch")
        return [{ type: "application/cloudevents-batch+json", attributes: {}, body: JSON.stringify(events()) }];
    return events().map((event) => {
        if (mode === "binary") {
            const made = MQTT.binary(event);
            const { datacontenttype, ...attributes } = attributesOf(event);
            return { type: made.PUBLISH["Content Type"], attributes, body: bodyOf(event) };
        }
        const made = HTTP.structured(event);
        return { type: made.headers["content-type"], attributes: {}, body: text(made.body) };
    });
}

function parse({ type, attributes, body }) {
    if ((type || "").startsWith("application/cloudevents-batch+json"))
        return HTTP.toEvent({ headers: { "content-type": type }, body: body.toString() });
    if ((type || "").startsWith("application/cloudevents+json"))
        return [MQTT.toEvent({ PUBLISH: { "Content Type": type }, headers: {}, body: body.toString() }, true)];
    return [MQTT.toEvent({
        PUBLISH: { "Content Type": type },
        headers: { ...attributes, ...(type ? { datacontenttype: type } : {}) },
        body: dataOf(type, body),
    }, true)];
}

function show(message) {
    try {
        for (const event of [parse(message)].flat()) {
            event.validate();
            console.log(JSON.stringify(event.toJSON()));
        }
    } catch (error) {
        console.log(JSON.stringify({ error: `${error.message}`, ...message, body: message.body.toString() }));
    }
}

// ---- MQTT ---------------------------------------------------------------------------------------

async function overMqtt() {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
    if (what === "receive") {
        client.on("message", (topic, payload, packet) => {
            const { contentType, userProperties } = packet.properties || {};
            show({ type: contentType, attributes: { ...userProperties }, body: payload });
        });
        await client.subscribeAsync(address, { qos: 1 });
        console.log("ready");
        return;
    }
    console.log("ready");
    for (const { type, attributes, body } of messages()) {
        const userProperties = Object.fromEntries(Object.entries(attributes).map(([k, v]) => [k, String(v)]));
        const properties = { ...(type ? { contentType: type } : {}), ...(mode === "binary" ? { userProperties } : {}) };
        await client.publishAsync(address, body, { qos: 1, properties });
    }
    await client.endAsync();
}

// ---- AMQP 1.0 -----------------------------------------------------------------------------------

function unprefixed(properties) {
    return Object.fromEntries(Object.entries(properties || {}).filter(([name]) => name.startsWith(PREFIX))
        .map(([name, value]) => [name.slice(PREFIX.length), value]));
}

function overAmqp() {
    const connection = rhea.connect({
        host: "127.0.0.1", port: Number(port), username: "guest", password: "guest", reconnect: false,
    });
    rhea.on("disconnected", (context) => process.exit(context.error ? 1 : 0));
    if (what === "receive") {
        connection.open_receiver({ source: { address, durable: 2 }, credit_window: 500 });
        rhea.on("receiver_open", () => console.log("ready"));
        rhea.on("message", ({ message }) => show({
            type: message.content_type, attributes: unprefixed(message.application_properties),
            body: message.body ? message.body.content : Buffer.alloc(0),
        }));
        return;
    }
    const all = messages();
    let settled = 0;
    connection.open_sender({ target: { address, durable: 2 } });
    rhea.on("sender_open", () => console.log("ready"));
    rhea.once("sendable", ({ sender }) => all.forEach(({ type, attributes, body }) => sender.send({
        durable: true, content_type: type,
        application_properties: Object.fromEntries(Object.entries(attributes).map(([k, v]) => [PREFIX + k, v])),
        body: rhea.message.data_section(Buffer.from(body)),
    })));
    rhea.on("accepted", () => {
        if (++settled === all.length)
            connection.close();
    });
}

if (what === "send")
    events().forEach((event) => console.log(JSON.stringify(event.toJSON())));
(protocol === "mqtt" ? overMqtt : overAmqp)();
