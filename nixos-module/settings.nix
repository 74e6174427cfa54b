# services.testudo.settings: the text of testudo.toml. Typed is what can be wrong in a way that is better told while
# evaluating; every other key passes as it is, and the daemons' own parser checks the whole while the system is built.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  format = pkgs.formats.toml { };
  # TOML has no null: an option that is null is a key that is not there.
  withoutNulls = lib.filterAttrsRecursive (_: value: value != null);

  unset = type: more: mkOption ({ type = types.nullOr type; default = null; } // more);
  duration = example: description: unset (types.strMatching "[0-9]+(ms|s|m|h)") { inherit example description; };
  user = description: unset (types.strMatching "[A-Za-z0-9_.@-]{1,64}") { example = "alice"; inherit description; };
  sessions = more: mkOption ({ type = types.listOf (types.strMatching "[A-Za-z0-9_*-]{1,64}"); } // more);

  agentd.daily_tokens = unset (types.ints.between 1 4294967295) {
    example = 2000000;
    description = "How many tokens all sessions together may use in a day, read and written; no limit by default.";
  };

  agentd.unattended = {
    sessions = sessions {
      default = [ ];
      example = [ "cron-*" ];
      description = ''
        Sessions that nobody watches; `*` stands for any characters. Their questions go to the approver, or are
        parked and end the turn.
      '';
    };
    approver = user ''
      The operator to whom the questions of these sessions go, before `policyd.approver`. It is an address, not a
      lock: every operator may answer.
    '';
  };

  modeld = {
    provider = mkOption {
      type = types.enum [ "rehearsal" "openai" ];
      default = "rehearsal";
      description = ''
        `rehearsal` is the built-in planner: offline, deterministic, no intelligence claimed.
        `openai` is any server with an OpenAI-compatible interface, such as Ollama, llama.cpp or vLLM.
      '';
    };
    base_url = unset types.str {
      example = "http://127.0.0.1:11434/v1";
      description = "Up to and without `/chat/completions`.";
    };
    model = unset types.str { description = "The model's name at that server."; };
    other_models = unset (types.listOf types.nonEmptyStr) {
      example = [ "qwen3:32b" ];
      description = "Other models of that server, which `/model NAME` can choose for a session.";
    };
    api_key_secret = unset (types.strMatching "[a-z0-9_-]{1,64}") {
      description = "Name of the key among `egressd.secrets`; set by `modeld.apiKeyFile`.";
    };
  };

  policyd = {
    identities = mkOption {
      type = types.listOf types.nonEmptyStr;
      default = [ ];
      example = [ "alice@example.org" "@alice:example.org" ];
      description = ''
        Addresses and accounts by which the owner goes in records, so that a record of his is not taken for a
        stranger's. Name nothing that others can write from.
      '';
    };
    approval_ttl = duration "5m" ''
      How long a question waits for an answer before it expires into a no; five minutes by default.
    '';
    plan_ttl = duration "15m" "How long an approved plan holds; 15 minutes by default.";
    parked_ttl = duration "24h" "How long a question waits that goes to nobody; a day by default.";
    judge_timeout = duration "60s" ''
      How long all that judges are asked about one action may take, at most `10m`; a minute by default.
    '';
    approver = user ''
      The operator to whom questions of sessions go that nobody watches. Without one they are parked until somebody
      looks.
    '';
    amendments = mkOption {
      type = types.enum [ "none" "add" "replace" ];
      default = "none";
      example = "add";
      description = ''
        What `testudoctl policy update` may change while the system runs, after a person's yes. `none`: nothing, what
        is declared here is the whole policy. `add`: files come beside the declared ones, and lift none of their
        questions and denials. `replace`: files may also come in their place.
      '';
    };
    amend_by = unset (types.enum [ "reply" "otp" "local" ]) {
      example = "otp";
      description = ''
        How heavy the yes to such a change must be: an operator's answer, the default; one with a one-time code; or
        one at this machine.
      '';
    };
  };

  toold.groups = mkOption {
    type = types.attrsOf (types.submodule {
      options = {
        sessions = sessions {
          example = [ "cron-*" "mail-*" ];
          description = "Whose calls count; a session is of the first group, by name, that has it.";
        };
        calls_per_minute = mkOption {
          type = types.ints.between 1 1000000;
          description = "Calls that are sustained, of all of them together.";
        };
        burst = mkOption {
          type = types.ints.between 1 1000000;
          description = "Calls that may come at once.";
        };
      };
    });
    default = { };
    example = { jobs = { sessions = [ "cron-*" ]; calls_per_minute = 60; burst = 10; }; };
    description = ''
      Sessions that share a limit beside their own. Those of no group are of the group `all`, which has ten times the
      limits of one session unless it is set here.
    '';
  };
in
{
  options.services.testudo.settings = mkOption {
    type = types.submodule {
      freeformType = format.type;
      options = { inherit agentd modeld policyd toold; };
    };
    default = { };
    apply = withoutNulls;
    description = ''
      `testudo.toml`, one table per daemon. Every key of the file may stand here; the daemons' own parser
      checks the result while the system is built.

      The files of `policyd.rules` that are in the Nix store are checked then, too, and tried on the cases beside
      them (`NAME.cases.toml`). They are the whole policy: `testudoctl policy update` is refused unless
      `policyd.amendments` is set to `add` or `replace`.
    '';
  };
}
