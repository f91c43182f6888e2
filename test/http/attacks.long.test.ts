import { ROLES, testAttacks } from './attacked-routes.ts'

testAttacks({ roles: ROLES, rolesOfTexts: ROLES, oneOf: 1 })
