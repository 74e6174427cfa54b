# What the module makes of a homeserver of one's own, for the test that starts it (tests/talk/tests/story/nixos.rs).
# `secrets` is a folder with the four files, `port` where it answers.
{ secrets, port }:
let
  result = import ./eval.nix {
    lib = import ./lib.nix;
    config.services.testudo = {
      enable = true;
      matrix = {
        enable = true;
        passwordFile = "${secrets}/testudo";
        storeKeyFile = "${secrets}/store-key";
        localHomeserver = {
          enable = true;
          owner = "alice";
          ownerPasswordFile = "${secrets}/alice";
          registrationFile = "${secrets}/registration.yaml";
          inherit port;
        };
      };
    };
  };
  toml = builtins.head (builtins.match ".*#([^ ]*)\n.*" result.etc."testudo/testudo.toml");
in
{
  inherit (result) failed;
  inherit (result.synapse) settings extraConfigFiles;
  accounts = result.units."testudo-matrix-accounts.service";
  matrixd = (builtins.fromJSON toml).matrixd;
}
