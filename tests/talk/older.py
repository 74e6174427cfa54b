"""A module of Synapse that makes it ask for the password before the first cross-signing identity of some users, as
homeservers without MSC3967 do."""


class AsksForPassword:
    def __init__(self, config, api):
        handler = api._hs.get_e2e_keys_handler()
        check = handler.check_cross_signing_setup

        async def is_set_up(user):
            exists, updatable = await check(user)
            return exists or user in config["users"], updatable

        handler.check_cross_signing_setup = is_set_up

    @staticmethod
    def parse_config(config):
        return config
