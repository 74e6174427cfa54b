{ lib, pkgs, ... }:
let
  format = pkgs.formats.toml { };
  # TOML has no null: an option that is null is a key that is not there.
  withoutNulls = lib.filterAttrsRecursive (_: value: value != null);
in
{
  options.services.testudo = {
    enable = lib.mkEnableOption "Testudo, a personal agent";

    package = lib.mkPackageOption pkgs "testudo" { };

    operators = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "alice" ];
      description = ''
        Users who may talk to the agent, approve its actions and read the record.
        They become members of the group `testudo`; root always is one.
      '';
    };

    tools = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [
        pkgs.bash
        pkgs.coreutils
        pkgs.diffutils
        pkgs.findutils
        pkgs.gawk
        pkgs.git
        pkgs.gnugrep
        pkgs.gnused
        pkgs.gnutar
        pkgs.gzip
      ];
      defaultText = lib.literalExpression "[ pkgs.bash pkgs.coreutils … ]";
      description = "Packages whose programs a sandboxed command finds on its PATH.";
    };

    modeld.apiKeyFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/run/secrets/provider-key";
      description = ''
        File with the key of the model provider and nothing else. systemd hands it to testudo-modeld alone;
        it is never in the Nix store. Anything that can make a file, such as sops-nix or agenix, can provide it.
      '';
    };

    extension.components = lib.mkOption {
      type = lib.types.attrsOf lib.types.path;
      default = { };
      example = lib.literalExpression "{ wide-changes = ./wide-changes.wasm; }";
      description = ''
        Extension rules: WebAssembly components that have a say in every decision, by the name that people see in
        reasons. What one must export is in `policies/extension.wit`. All of them are in force; one that cannot be
        loaded makes every call be denied.
      '';
    };

    settings = lib.mkOption {
      type = lib.types.submodule {
        freeformType = format.type;
        options.modeld = {
          provider = lib.mkOption {
            type = lib.types.enum [ "rehearsal" "openai" ];
            default = "rehearsal";
            description = ''
              `rehearsal` is the built-in planner: offline, deterministic, no intelligence claimed.
              `openai` is any server with an OpenAI-compatible interface, such as Ollama, llama.cpp or vLLM.
            '';
          };
          base_url = lib.mkOption {
            type = lib.types.nullOr lib.types.str;
            default = null;
            example = "http://127.0.0.1:11434/v1";
            description = "Up to and without `/chat/completions`.";
          };
          model = lib.mkOption {
            type = lib.types.nullOr lib.types.str;
            default = null;
            description = "The model's name at that server.";
          };
          api_key_credential = lib.mkOption {
            type = lib.types.nullOr lib.types.str;
            default = null;
            internal = true;
            description = "Name of the credential with the key; set by `modeld.apiKeyFile`.";
          };
        };
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
  };
}
