import { testAttacks } from './attacked-routes.ts'

testAttacks({ roles: ['admin', 'none'], rolesOfTexts: ['admin'], oneOf: 3 })
