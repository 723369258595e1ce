#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small S3 for tests: s3_peer.py ACCESS_KEY SECRET_KEY REGION BUCKET.

Prints "port N".  PUT, GET and HEAD of objects in one bucket, in memory.  Each request's AWS Signature Version 4 is
computed anew from what arrived, with the standard library alone, and compared; so is the hash of the body.  Lines on
standard input change what it does, and each is answered by a line "ok": "fail N" (the next N requests get a 503; or
"fail N STATUS CODE", CODE may be missing),
"damage" (a byte of every object), "cut" (objects lose their last byte), "forget" (all objects), "count" (answers
"count OBJECTS PUTS GETS"), "hang N" (the next N requests are not answered)."""
import hashlib
import hmac
import sys
import threading
import time
import urllib.parse
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Bucket:
    def __init__(self, access_key, secret_key, region, name):
        self.access_key, self.secret_key, self.region, self.name = access_key, secret_key, region, name
        self.objects = {}
        self.fail = self.hang = self.puts = self.gets = 0
        self.failure = (503, "SlowDown")
        self.lock = threading.Lock()

    def check(self, method, target, headers, body):
        """Raises Refused unless the request is signed as the specification says."""
        scheme, _, fields = headers.get("Authorization", "").partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            raise Refused(403, "AccessDenied")
        parts = dict(part.strip().split("=", 1) for part in fields.split(","))
        key, day, region, service, last = parts["Credential"].split("/")
        stamp = headers.get("x-amz-date", "")
        when = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        if abs(time.time() - when.timestamp()) > 900 or day != stamp[:8]:
            raise Refused(403, "RequestTimeTooSkewed")
        if (key, region, service, last) != (self.access_key, self.region, "s3", "aws4_request"):
            raise Refused(403, "InvalidAccessKeyId")
        content = headers.get("x-amz-content-sha256", "")
        if content != hashlib.sha256(body).hexdigest():
            raise Refused(400, "XAmzContentSHA256Mismatch")
        names = parts["SignedHeaders"].split(";")
        if names != sorted(names) or not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            raise Refused(403, "AccessDenied")
        path, _, query = target.partition("?")
        lines = "".join(f"{n}:{' '.join(headers.get(n, '').split())}\n" for n in names)
        request = "\n".join((method, urllib.parse.quote(urllib.parse.unquote(path)), query, lines, ";".join(names),
                             content))
        scope = f"{day}/{region}/s3/aws4_request"
        text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
        signing = digest(digest(digest(digest(b"AWS4" + self.secret_key.encode(), day), region), "s3"), "aws4_request")
        if not hmac.compare_digest(digest(signing, text).hex(), parts["Signature"]):
            raise Refused(403, "SignatureDoesNotMatch")

    def act(self, method, target, headers, body):
        with self.lock:
            if self.hang:
                self.hang -= 1
                return None
            if self.fail:
                self.fail -= 1
                raise Refused(*self.failure)
        self.check(method, target, headers, body)
        bucket, _, key = target.lstrip("/").partition("/")
        if bucket != self.name:
            raise Refused(404, "NoSuchBucket")
        with self.lock:
            if method == "PUT":
                self.puts += 1
                self.objects[key] = body
                return b""
            self.gets += 1
            if key not in self.objects:
                raise Refused(404, "NoSuchKey")
            return self.objects[key]

    def told(self, line):
        word, _, number = line.partition(" ")
        with self.lock:
            if word == "fail":
                count, *how = number.split()
                self.fail = int(count)
                self.failure = (int(how[0]), "".join(how[1:])) if how else (503, "SlowDown")
            elif word == "hang":
                self.hang = int(number)
            elif word == "damage":
                self.objects = {k: bytes([v[0] ^ 1]) + v[1:] for k, v in self.objects.items()}
            elif word == "cut":
                self.objects = {k: v[:-1] for k, v in self.objects.items()}
            elif word == "forget":
                self.objects = {}
            elif word == "count":
                return f"count {len(self.objects)} {self.puts} {self.gets}"
            else:
                return f"unknown: {word}"
        return "ok"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = 200
        try:
            answer = self.server.bucket.act(self.command, self.path, self.headers, body)
        except Refused as refused:
            status = refused.status
            answer = f'<?xml version="1.0"?><Error><Code>{refused.code}</Code></Error>'.encode()
        except (KeyError, ValueError) as error:
            status, answer = 400, f"<Error><Code>{type(error).__name__}</Code></Error>".encode()
        if answer is None:  # until the client has had enough
            self.close_connection = True
            self.rfile.read(1)
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_PUT = do_GET = do_HEAD = handle_one

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.bucket = Bucket(*sys.argv[1:5])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"port {server.server_address[1]}", flush=True)
    for line in sys.stdin:
        print(server.bucket.told(line.strip()), flush=True)


if __name__ == "__main__":
    main()
