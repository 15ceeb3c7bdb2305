"""A FastAPI program with a supervised tree beside it; run `uvicorn web_api:api` in this folder.

It needs `pip install "ds-actors[asyncio]" fastapi uvicorn` (in a clone: `".[asyncio]"`).

    curl -X POST "http://127.0.0.1:8000/sales/tea?number=2"      # {"item":"tea","left":8}
    curl http://127.0.0.1:8000/tree                              # which actors run
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from attrs import define, field, frozen
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

import ds_actors
from ds_actors import Actor, ActorError, ActorRef, Answer, ChildSpec, Supervisor
from ds_actors.asyncio import SupervisorThread, TreeEnded


@frozen
class Sell(ds_actors.Request[int | None]):
    """Asks how many are left after the sale; None when there are not enough."""

    item: str
    number: int


@define
class Stock(Actor[Sell]):
    """Owns the numbers: requests of the program's many tasks come one after the other."""

    items: dict[str, int] = field(factory=lambda: {"tea": 10, "coffee": 10})

    async def receive(self, message: Sell, /) -> Answer:
        left = self.items.get(message.item, 0) - message.number
        if left < 0:
            return message.answer(None)
        self.items[message.item] = left
        return message.answer(left)


@frozen
class Shop:
    """What the routes use."""

    tree: SupervisorThread
    stock: ActorRef[Sell]


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncGenerator[None]:
    """Keep the tree for as long as the program serves."""
    supervisor = Supervisor("shop", children=[ChildSpec(Stock, name="stock")])
    async with SupervisorThread(supervisor) as tree:
        api.state.shop = Shop(tree, await tree.run_sync(supervisor.find_actor, "stock"))
        yield


api = FastAPI(lifespan=lifespan)


def _shop(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


@api.post("/sales/{item}")
async def sell(item: str, number: Annotated[int, Query(ge=1)], request: Request) -> Response:
    """Sell some of an item."""
    shop = _shop(request)
    left = await shop.tree.ask(shop.stock, Sell(item, number), timeout=1)
    if left is None:
        return JSONResponse({"error": f"there is not so much {item}"}, status_code=409)
    return JSONResponse({"item": item, "left": left})


@api.get("/tree")
async def show_tree(request: Request) -> Response:
    """Show which actors run."""
    tree = _shop(request).tree
    return PlainTextResponse(str(await tree.run_sync(tree.supervisor.tree)))


@api.exception_handler(ActorError)
@api.exception_handler(TreeEnded)
async def failed(_request: Request, error: Exception) -> Response:
    """Say in the answer that an actor failed, or that the tree has ended."""
    return JSONResponse({"error": str(error.__cause__ or error)}, status_code=503)
