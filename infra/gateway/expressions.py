"""Expressions of the policy, in the C# that API Management takes. A test runs them on users and orders.

They are kept to what that test can read: assignments, `for`, `foreach`, `if`, `return`.
"""

from typing import Final

SLOT: Final = """@{
    string order = context.Request.MatchedParameters.GetValueOrDefault("order_id", "");
    if (Regex.IsMatch(order, "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")) {
        return Convert.ToInt32(order.Substring(15, 3), 16);
    }
    string user = context.Request.MatchedParameters.GetValueOrDefault("user_id", "");
    if (user == "") {
        user = context.Request.Url.Query.GetValueOrDefault("user_id", "");
    }
    if (!Regex.IsMatch(user, "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")) {
        user = (string)context.Variables["user"];
    }
    if (user == "") {
        return 0;
    }
    string digits = user.Replace("-", "");
    uint crc = 0xFFFFFFFF;
    for (int i = 0; i < 32; i += 2) {
        crc = crc ^ Convert.ToUInt32(digits.Substring(i, 2), 16);
        for (int bit = 0; bit < 8; bit += 1) {
            if ((crc & 1) == 1) {
                crc = (crc >> 1) ^ 0xEDB88320;
            }
            else {
                crc = crc >> 1;
            }
        }
    }
    return (int)((crc ^ 0xFFFFFFFF) & 0xFFF);
}"""
"""The slot whose cell answers: that of the order or the user whom the call names, else the caller's.

An order id carries the slot in its hexadecimal digits 14 to 16; a user's is the CRC-32 of the id's bytes modulo 4096
(shared/domain/ids.py).
"""

CELL: Final = """@{
    int slot = (int)context.Variables["slot"];
    string wanted = (string)context.Variables["wanted-cell"];
    foreach (string entry in "{{cell-directory}}".Split(',')) {
        string[] parts = entry.Split(':', '-');
        if (wanted == parts[0]) {
            return parts[0];
        }
        if (wanted == "" && slot >= int.Parse(parts[1]) && slot <= int.Parse(parts[2])) {
            return parts[0];
        }
    }
    return "";
}"""
"""The cell that has the slot, or that staff named; empty when there is none."""

USER: Final = '@(((Jwt)context.Variables["token"]).Claims.GetValueOrDefault("oid", ""))'
_IN: Final = "@(new [] {{ {names} }}.Contains(context.Operation.Id))"


def operation_is_one_of(names: tuple[str, ...]) -> str:
    """The condition that the call is one of these operations."""
    return _IN.format(names=", ".join(f'"{name}"' for name in names))
