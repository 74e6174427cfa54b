"""The tools of tau-bench's airline and retail desks, each declared from its signature and description."""

from tool import Event, records, tool

USER = {"kind": "user", "id": "user_id", "text": "email"}
RESERVATION = {"kind": "reservation", "id": "reservation_id", "people": ["user_id"]}
ORDER = {"kind": "order", "id": "order_id", "people": ["user_id"]}
PRODUCT = {"kind": "product", "name": "name", "id": "product_id"}

_ADDRESS = dict.fromkeys(("address1", "address2", "city", "state", "country", "zip"), "value")
_ITEMS = {"order_id": "selector", "item_ids": "selector", "new_item_ids": "selector", "payment_method_id": "selector"}
_TRIP = {"origin": "option", "destination": "option", "date": "option"}

_BOTH = {
    "calculate": tool("read", "system", {"expression": "option"}),
    "get_user_details": records("read", "tool:desk private", USER, {"user_id": "option"}),
    "transfer_to_human_agents": tool("message", "system", {"summary": "content"}, inside=True),
}

_AIRLINE = {
    "get_reservation_details": records("read", "tool:desk private", RESERVATION, {"reservation_id": "option"}),
    "get_flight_status": tool("read", "catalogue", {"flight_number": "option", "date": "option"}),
    "list_all_airports": tool("read", "catalogue"),
    "search_direct_flight": tool("read", "catalogue", _TRIP),
    "search_onestop_flight": tool("read", "catalogue", _TRIP),
    "book_reservation": tool(
        "spend",
        "system",
        {
            "user_id": "selector",
            "origin": "value",
            "destination": "value",
            "flight_type": "option",
            "cabin": "value",
            "flights": "selector",
            "passengers": "destination",
            "payment_methods": "selector",
            "total_baggages": "value",
            "nonfree_baggages": "value",
            "insurance": "option",
        },
    ),
    "cancel_reservation": tool("destroy", "system", {"reservation_id": "selector"}),
    "send_certificate": tool("spend", "system", {"user_id": "destination", "amount": "amount"}),
    "update_reservation_baggages": tool(
        "spend",
        "system",
        {
            "reservation_id": "selector",
            "total_baggages": "value",
            "nonfree_baggages": "value",
            "payment_id": "selector",
        },
    ),
    "update_reservation_flights": tool(
        "spend",
        "system",
        {"reservation_id": "selector", "cabin": "value", "flights": "selector", "payment_id": "selector"},
    ),
    "update_reservation_passengers": tool(
        "configure", "system", {"reservation_id": "selector", "passengers": "destination"}
    ),
}

_RETAIL = {
    "find_user_id_by_email": tool("read", "tool:desk private", {"email": "option"}),
    "find_user_id_by_name_zip": tool(
        "read", "tool:desk private", {"first_name": "option", "last_name": "option", "zip": "option"}
    ),
    "get_order_details": records("read", "tool:desk private", ORDER, {"order_id": "option"}),
    "get_product_details": records("read", "catalogue", PRODUCT, {"product_id": "option"}),
    "list_all_product_types": tool("read", "catalogue"),
    "cancel_pending_order": tool("destroy", "system", {"order_id": "selector", "reason": "content"}),
    "exchange_delivered_order_items": tool("spend", "system", _ITEMS),
    "modify_pending_order_items": tool("spend", "system", _ITEMS),
    "modify_pending_order_address": tool("configure", "system", {"order_id": "selector", **_ADDRESS}),
    "modify_pending_order_payment": tool("spend", "system", {"order_id": "selector", "payment_method_id": "selector"}),
    "modify_user_address": tool("configure", "system", {"user_id": "selector", **_ADDRESS}),
    "return_delivered_order_items": tool(
        "spend", "system", {"order_id": "selector", "item_ids": "selector", "payment_method_id": "selector"}
    ),
}

TOOLS: dict[str, Event] = _BOTH | _AIRLINE | _RETAIL
