# Every other file here is one behaviour and one check of the flake.
{ pkgs, module }:
let
  inherit (pkgs) lib;
  behaviours = lib.filter (lib.hasSuffix ".nix") (lib.attrNames (removeAttrs (builtins.readDir ./.) [ "default.nix" ]));
in
lib.listToAttrs (map (file: lib.nameValuePair (lib.removeSuffix ".nix" file) (pkgs.testers.runNixOSTest {
  imports = [ (import (./. + "/${file}")) ];
  globalTimeout = 5 * 60;
  defaults.imports = [ module ];
})) behaviours)
