"""The tools of AgentDojo's suites, each declared from its signature and description."""

from tool import Event, records, tool

# --- records that results hold --------------------------------------------------------------------

MAIL = {
    "kind": "mail",
    "name": "subject",
    "id": "id_",
    "people": ["sender", "recipients", "cc", "bcc"],
    "author": "sender",
    "text": "body",
}
APPOINTMENT = {
    "kind": "appointment",
    "name": "title",
    "id": "id_",
    "people": ["participants"],
    "text": "description",
}
FILE = {
    "kind": "file",
    "name": "filename",
    "id": "id_",
    "people": ["owner", "shared_with"],
    "author": "owner",
    "text": "content",
}
CONTACT = {"kind": "contact", "name": "name", "id": "email", "people": ["email"]}
PAYMENT = {
    "kind": "payment",
    "name": "subject",
    "id": "id",
    "people": ["sender", "recipient"],
    "author": "sender",
    "amount": "amount",
}
POST = {"kind": "post", "people": ["sender"], "author": "sender", "text": "body"}


def _mails(**arguments: str) -> Event:
    return records("read", "mail private", MAIL, arguments)


def _appointments(**arguments: str) -> Event:
    return records("read", "tool:calendar private", APPOINTMENT, arguments)


def _files(**arguments: str) -> Event:
    return records("read", "file private", FILE, arguments)


def _catalogue(**arguments: str) -> Event:
    return tool("read", "catalogue", arguments, results="catalogue")


def _reviews(**arguments: str) -> Event:
    return tool("read", "stranger", arguments, results="text")


# --- the tools --------------------------------------------------------------------------------------

_MAILBOX = {
    "send_email": records(
        "message",
        "mail private",
        MAIL,
        {
            "recipients": "destination",
            "cc": "destination",
            "bcc": "destination",
            "subject": "content",
            "body": "content",
            "attachments": "selector",
        },
        asked_by=["send", "email", "e-mail", "mail", "forward", "reply", "write", "tell", "notify"],
    ),
    "delete_email": tool("destroy", "mail", {"email_id": "selector"}, asked_by=["delete", "remove", "trash"]),
    "get_unread_emails": _mails(),
    "get_sent_emails": _mails(),
    "get_received_emails": _mails(),
    "get_draft_emails": _mails(),
    "search_emails": _mails(query="option", sender="option"),
    "search_contacts_by_name": records("read", "directory private", CONTACT, {"query": "option"}),
    "search_contacts_by_email": records("read", "directory private", CONTACT, {"query": "option"}),
}

_CALENDAR = {
    "get_current_day": _catalogue(),
    "search_calendar_events": _appointments(query="option", date="option"),
    "get_day_calendar_events": _appointments(day="option"),
    "create_calendar_event": records(
        "write",
        "tool:calendar private",
        APPOINTMENT,
        {
            "title": "label",
            "start_time": "time",
            "end_time": "time",
            "description": "content",
            "participants": "destination",
            "location": "content",
        },
        creates=True,
        reversible=True,
        outward_with="participants",
        asked_by=["create", "add", "book", "schedule", "set", "make", "put", "invite"],
    ),
    "cancel_calendar_event": tool(
        "destroy", "tool:calendar", {"event_id": "selector"}, asked_by=["cancel", "delete", "remove"]
    ),
    "reschedule_calendar_event": records(
        "write",
        "tool:calendar private",
        APPOINTMENT,
        {"event_id": "selector", "new_start_time": "time", "new_end_time": "time"},
        reversible=True,
        asked_by=["reschedule", "move", "postpone", "shift", "change"],
    ),
    "add_calendar_event_participants": records(
        "message",
        "tool:calendar private",
        APPOINTMENT,
        {"event_id": "selector", "participants": "destination"},
        asked_by=["add", "invite"],
    ),
}

_DRIVE = {
    "append_to_file": records(
        "write",
        "file private",
        FILE,
        {"file_id": "selector", "content": "content"},
        reversible=True,
        asked_by=["add", "append", "put", "write", "insert"],
    ),
    "create_file": records(
        "write",
        "file private",
        FILE,
        {"filename": "label", "content": "content"},
        creates=True,
        reversible=True,
        asked_by=["create", "write", "save", "make"],
    ),
    "delete_file": records(
        "destroy", "file private", FILE, {"file_id": "selector"}, asked_by=["delete", "remove", "trash"]
    ),
    "share_file": records(
        "message",
        "file private",
        FILE,
        {"file_id": "selector", "email": "destination", "permission": "option"},
        asked_by=["share", "give access"],
    ),
    "search_files_by_filename": _files(filename="option"),
    "get_file_by_id": _files(file_id="option"),
    "list_files": _files(),
    "search_files": _files(query="option"),
}

_TRAVEL = {
    "get_user_information": tool("read", "system private secret", secret=True),
    "get_all_hotels_in_city": _catalogue(city="option"),
    "get_hotels_prices": _catalogue(hotel_names="option"),
    "get_rating_reviews_for_hotels": _reviews(hotel_names="option"),
    "get_hotels_address": _catalogue(hotel_name="option"),
    "get_all_restaurants_in_city": _catalogue(city="option"),
    "get_cuisine_type_for_restaurants": _catalogue(restaurant_names="option"),
    "get_restaurants_address": _catalogue(restaurant_names="option"),
    "get_rating_reviews_for_restaurants": _reviews(restaurant_names="option"),
    "get_dietary_restrictions_for_all_restaurants": _catalogue(restaurant_names="option"),
    "get_contact_information_for_restaurants": _catalogue(restaurant_names="option"),
    "get_price_for_restaurants": _catalogue(restaurant_names="option"),
    "check_restaurant_opening_hours": _catalogue(restaurant_names="option"),
    "get_all_car_rental_companies_in_city": _catalogue(city="option"),
    "get_car_types_available": _catalogue(company_name="option"),
    "get_rating_reviews_for_car_rental": _reviews(company_name="option"),
    "get_car_fuel_options": _catalogue(company_name="option"),
    "get_car_rental_address": _catalogue(company_name="option"),
    "get_car_price_per_day": _catalogue(company_name="option"),
    "get_flight_information": _catalogue(departure_city="option", arrival_city="option"),
    "reserve_hotel": tool(
        "spend",
        "system",
        {"hotel": "destination", "start_day": "time", "end_day": "time"},
        asked_by=["reserve", "book", "reservation", "booking"],
    ),
    "reserve_car_rental": tool(
        "spend",
        "system",
        {"company": "destination", "start_time": "time", "end_time": "time"},
        asked_by=["reserve", "book", "rent", "reservation"],
    ),
    "reserve_restaurant": tool(
        "spend",
        "system",
        {"restaurant": "destination", "start_time": "time"},
        asked_by=["reserve", "book", "reservation"],
    ),
}

_BANK = {
    "get_iban": tool("read", "system private", results="catalogue"),
    "get_balance": tool("read", "system private", results="catalogue"),
    "get_user_info": tool("read", "system private", results="catalogue"),
    "get_most_recent_transactions": records("read", "tool:bank private", PAYMENT, {"n": "option"}),
    "get_scheduled_transactions": records("read", "tool:bank private", PAYMENT),
    "read_file": tool("read", "file private", {"file_path": "option"}, results="text"),
    "send_money": tool(
        "spend",
        "system",
        {"recipient": "destination", "amount": "amount", "subject": "content", "date": "time"},
        asked_by=["pay", "send", "transfer", "refund", "wire"],
    ),
    "schedule_transaction": tool(
        "spend",
        "system",
        {
            "recipient": "destination",
            "amount": "amount",
            "subject": "content",
            "date": "time",
            "recurring": "option",
        },
        reversible=True,
        asked_by=["schedule", "scheduled", "recurring", "set up", "standing order"],
    ),
    "update_scheduled_transaction": tool(
        "spend",
        "system",
        {
            "id": "selector",
            "recipient": "destination",
            "amount": "amount",
            "subject": "content",
            "date": "time",
            "recurring": "option",
        },
        reversible=True,
        asked_by=["update", "adjust", "change", "modify"],
    ),
    "update_password": tool(
        "configure", "system", {"password": "value"}, asked_by=["update", "change", "set", "reset"]
    ),
    "update_user_info": tool(
        "configure",
        "system",
        {"first_name": "value", "last_name": "value", "street": "value", "city": "value"},
        asked_by=["update", "change", "set", "correct"],
    ),
}

_CHAT = {
    "get_channels": tool("read", "directory", results="directory"),
    "get_users_in_channel": tool("read", "directory", {"channel": "option"}, results="directory"),
    "read_channel_messages": records("read", "member private", POST, {"channel": "option"}),
    "read_inbox": records("read", "member private", POST, {"user": "option"}),
    "send_direct_message": tool(
        "message",
        "system",
        {"recipient": "destination", "body": "content"},
        inside=True,
        asked_by=["send", "mail", "forward", "reply", "write", "tell", "notify", "message", "messages", "dm"],
    ),
    "send_channel_message": tool(
        "message",
        "system",
        {"channel": "destination", "body": "content"},
        inside=True,
        asked_by=["send", "mail", "forward", "reply", "write", "tell", "notify", "post", "share", "announce"],
    ),
    "add_user_to_channel": tool(
        "configure",
        "system",
        {"user": "destination", "channel": "destination"},
        reversible=True,
        inside=True,
        asked_by=["add", "invite"],
    ),
    "invite_user_to_slack": tool(
        "configure", "system", {"user": "destination", "user_email": "destination"}, asked_by=["invite"]
    ),
    "remove_user_from_slack": tool("destroy", "system", {"user": "destination"}, asked_by=["remove", "kick", "delete"]),
    "get_webpage": tool("read-external", "web:host", {"url": "url"}, results="text"),
    "post_webpage": tool(
        "message", "web:host", {"url": "url", "content": "content"}, asked_by=["post", "publish", "upload"]
    ),
}

TOOLS: dict[str, Event] = _MAILBOX | _CALENDAR | _DRIVE | _TRAVEL | _BANK | _CHAT
