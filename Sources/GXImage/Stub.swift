import GXCore
