"""Echo as a protocol of asyncio on uvloop: echo.py HOST:PORT"""
import asyncio
import sys

import uvloop


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    # A client that does not take its answers is not read meanwhile.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def main(host, port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, host, int(port), backlog=4096)
    await server.serve_forever()


uvloop.install()
asyncio.run(main(*sys.argv[1].rsplit(":", 1)))
